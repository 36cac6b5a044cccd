import { runtimePreferences } from '@aeraki/proxy'
import { readDuration } from '../arguments.ts'
import type { Command } from '../command.ts'
import { describeResult } from '../demo/result.ts'
import { runDemo } from '../demo/run.ts'
import { scenarios } from '../demo/scenarios.ts'
import { didYouMean, UsageError } from '../usage.ts'

const NAME = 'demo'
const INTERRUPTED = 130

const list = (): string => {
  const width = Math.max(...scenarios.map((scenario) => scenario.name.length))
  return scenarios.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')
}

export const command: Command = {
  operands: '[SCENARIO]',
  description: [
    'Runs a mesh on this machine: a control plane on a folder of YAML, Dubbo providers with a proxy in front of each, and a',
    'consumer that calls through a proxy without end. The terminal shows where the calls go; edit the rule and watch.',
    '',
    'Scenarios:',
    list(),
    '',
    'With --duration the run ends by itself. It rewrites the rule three times on the live connections and puts it back: the',
    'rewritten rules route as the original does and differ in what else they say, so that every call counts in the split.',
    'Exit code 1 when what was measured is not what the scenario promises.',
  ].join('\n'),
  options: {
    duration: {
      type: 'string',
      value: 'TIME',
      help: 'end after so long, such as 20s or 2m (default: run until Ctrl-C)',
    },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      choices: ['text', 'json'],
      default: 'text',
      help: 'json: the last line on stdout is one object, all else goes to stderr',
    },
    rate: { type: 'string', value: 'N', default: '1000', help: 'calls per second' },
    connections: { type: 'string', value: 'N', default: '4', help: "the consumer's connections" },
    runtime: { type: 'string', value: 'NAME', choices: runtimePreferences, help: 'what the proxies run on' },
    list: { type: 'boolean', help: 'list the scenarios and exit' },
  },
  examples: ['npm start', 'npm start -- canary', 'npm start -- traffic-split --duration 20s --output json'],

  async run(args) {
    if (args.flag('list')) {
      process.stdout.write(`${list()}\n`)
      return 0
    }
    const [name = scenarios[0].name, extra] = args.words
    if (extra !== undefined) throw new UsageError(`one scenario at a time: "${extra}" is one too many`, NAME)
    const scenario = scenarios.find((candidate) => candidate.name === name)
    if (scenario === undefined) {
      const hint = didYouMean(
        name,
        scenarios.map((candidate) => candidate.name),
      )
      throw new UsageError(`unknown scenario "${name}".${hint} There are:\n${list()}`, NAME)
    }
    const duration = args.text('duration')
    const durationMs = duration === undefined ? undefined : readDuration(NAME, 'duration', duration)
    const json = args.text('output') === 'json'

    const interruption = new AbortController()
    const interrupt = () => interruption.abort()
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)
    const result = await runDemo({
      scenario,
      durationMs,
      view: json ? process.stderr : process.stdout,
      interrupted: interruption.signal,
      runtime: args.text('runtime'),
      rate: positive(args.text('rate'), 'rate', 100_000),
      connections: positive(args.text('connections'), 'connections', 256),
    })
    for (const problem of result.problems) process.stderr.write(`aeraki: ${scenario.name}: ${problem}\n`)
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : describeResult(result))
    if (result.problems.length > 0) return 1
    return durationMs !== undefined && interruption.signal.aborted ? INTERRUPTED : 0
  },
}

function positive(text: string | undefined, option: string, most: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new UsageError(`--${option} "${text}" is no whole number from 1 to ${most}`, NAME)
}
