/** The help texts, from the verb table and the verbs' own tables of options. */
import { commonOptions, type Command, type Option } from './command.ts'
import { verbs } from './verbs.ts'

export function overallHelp(): string {
  const width = Math.max(...verbs.map((verb) => verb.name.length))
  return [
    'aeraki manages any layer-7 protocol in a service mesh.',
    '',
    'Usage: aeraki VERB [OPTIONS]',
    '',
    'Verbs:',
    ...verbs.map((verb) => `  ${verb.name.padEnd(width)}  ${verb.summary}`),
    '',
    '"aeraki VERB --help" explains a verb. Results go to stdout, logs to stderr.',
    'Exit codes: 0 done, 1 failed, 2 a mistake on the command line.',
    '',
  ].join('\n')
}

export function verbHelp(name: string, command: Command): string {
  const usage = ['aeraki', name, command.operands, '[OPTIONS]'].filter((word) => word !== '').join(' ')
  const lines = [`Usage: ${usage}`, '', command.description, '', 'Options:']
  const rows = Object.entries({ ...command.options, ...commonOptions }).map(
    ([option, about]) => [flagOf(option, about), helpOf(about)] as const,
  )
  const width = Math.max(...rows.map(([flag]) => flag.length))
  for (const [flag, help] of rows) lines.push(`  ${flag.padEnd(width)}  ${help}`)
  if (command.examples.length > 0) lines.push('', 'Examples:', ...command.examples.map((example) => `  ${example}`))
  return [...lines, ''].join('\n')
}

function flagOf(name: string, option: Option): string {
  const short = option.short === undefined ? '    ' : `-${option.short}, `
  return `${short}--${name}${option.type === 'string' ? ` ${option.value ?? 'VALUE'}` : ''}`
}

function helpOf(option: Option): string {
  const choices = option.choices === undefined ? '' : `: ${option.choices.join(', ')}`
  const preset = option.default === undefined ? '' : ` (default ${option.default})`
  return `${option.help}${choices}${preset}`
}
