/** Command lines: `node:util`'s parser, with messages that say what to do. */
import { parseArgs } from 'node:util'
import { commonOptions, type Arguments, type Command, type Options } from './command.ts'
import { didYouMean, UsageError } from './usage.ts'

/** Reads what follows the verb. Throws `UsageError`. */
export function readArguments(verb: string, command: Command, raw: readonly string[]): Arguments {
  const known: Options = { ...command.options, ...commonOptions }
  const { tokens } = parseArgs({
    args: [...raw],
    options: Object.fromEntries(
      Object.entries(known).map(([name, { type, short }]) => [name, short === undefined ? { type } : { type, short }]),
    ),
    strict: false,
    tokens: true,
    allowPositionals: true,
  })
  const words: string[] = []
  const values = new Map<string, string | true>()
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value)
    if (token.kind !== 'option') continue
    const option = known[token.name]
    if (option === undefined) {
      if (command.passThrough === true) continue
      const hint = didYouMean(token.name, Object.keys(known)).replace(/"(.*)"/, '"--$1"')
      throw new UsageError(`unknown option "${token.rawName}".${hint}`, verb)
    }
    if (option.type === 'boolean') {
      if (token.value !== undefined) throw new UsageError(`option --${token.name} takes no value`, verb)
      values.set(token.name, true)
      continue
    }
    if (token.value === undefined || (!token.inlineValue && token.value.startsWith('-'))) {
      throw new UsageError(`option --${token.name} needs a value: --${token.name} ${option.value ?? 'VALUE'}`, verb)
    }
    if (option.choices !== undefined && !option.choices.includes(token.value)) {
      const choices = option.choices.join(', ')
      const hint = didYouMean(token.value, option.choices)
      throw new UsageError(`--${token.name} "${token.value}" is none of ${choices}.${hint}`, verb)
    }
    values.set(token.name, token.value)
  }
  return {
    words,
    raw,
    text: (name) => {
      const value = values.get(name) ?? known[name]?.default
      return typeof value === 'string' ? value : undefined
    },
    flag: (name) => values.get(name) === true,
  }
}

/** `HOST:PORT`, with brackets around an IPv6 host. Throws `UsageError`. */
export function readAddress(verb: string, option: string, text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text)
  const port = Number(match?.[3])
  const host = match?.[1] ?? match?.[2]
  if (host === undefined || !(port <= 65_535)) {
    throw new UsageError(`--${option} "${text}" is not HOST:PORT, such as 127.0.0.1:15010`, verb)
  }
  return { host, port }
}

/** `20s`, `1500ms`, `2m`, or a bare number of seconds; in milliseconds. Throws `UsageError`. */
export function readDuration(verb: string, option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text)
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
  if (match === null) throw new UsageError(`--${option} "${text}" is no duration, such as 20s, 1500ms or 2m`, verb)
  return Number(match[1]) * (units[match[2] ?? 's'] ?? 1000)
}
