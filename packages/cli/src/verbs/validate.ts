import type { Command } from '../command.ts'
import { UsageError } from '../usage.ts'

export const command: Command = {
  operands: 'PATH...',
  description: [
    'Checks files and folders of YAML or JSON as one set, and prints every mistake with its place and its remedy.',
    'Exit code 1 when there is an error; warnings alone are 0.',
  ].join('\n'),
  options: {
    output: { type: 'string', short: 'o', value: 'FORMAT', choices: ['text', 'json'], default: 'text', help: 'format' },
  },
  examples: ['aeraki validate my-mesh/', 'aeraki validate --output json a.yaml b.yaml'],
  async run(args) {
    if (args.words.length === 0) throw new UsageError('give the files or folders to validate', 'validate')
    const { formatDiagnostics, validatePaths } = await import('@aeraki/api')
    const { diagnostics, objects, exitCode } = validatePaths(args.words)
    if (args.text('output') === 'json') {
      process.stdout.write(`${formatDiagnostics(diagnostics, 'json')}\n`)
      return exitCode
    }
    if (diagnostics.length > 0) process.stdout.write(`${formatDiagnostics(diagnostics, 'text')}\n`)
    const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error').length
    const warnings = diagnostics.length - errors
    process.stderr.write(
      `${count(objects, 'sound object')}, ${count(errors, 'error')}, ${count(warnings, 'warning')}\n`,
    )
    return exitCode
  },
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
