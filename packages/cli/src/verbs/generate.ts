import type { Command } from '../command.ts'
import { generationOptions, readGenerationOptions } from '../generation-options.ts'
import { UsageError } from '../usage.ts'

const NAME = 'generate'

export const command: Command = {
  operands: '',
  description: [
    'Prints every object that the control plane would write to a cluster for a folder: the EnvoyFilters of its services, and',
    'the VirtualServices of its gateways. The same folder gives the same bytes. Findings go to stderr.',
    'Exit code 1 when there is an error; what it concerns is left out.',
  ].join('\n'),
  options: {
    config: { type: 'string', value: 'DIR', help: 'the folder, or a file (required)' },
    output: { type: 'string', short: 'o', value: 'FORMAT', choices: ['yaml', 'json'], default: 'yaml', help: 'format' },
    ...generationOptions,
  },
  examples: ['aeraki generate --config my-mesh/', 'aeraki generate --config my-mesh/ | kubectl apply -f -'],
  async run(args) {
    const config = args.text('config')
    if (config === undefined) throw new UsageError('give the folder: --config DIR', NAME)
    if (args.words[0] !== undefined) throw new UsageError(`unexpected "${args.words[0]}"`, NAME)
    // Not the control plane as a whole: its servers and registries take longer to load than all of this to run.
    const [{ formatDiagnostics, hasErrors }, { generate }, { printObjects }] = await Promise.all([
      import('@aeraki/api'),
      import('@aeraki/control-plane/generate'),
      import('@aeraki/control-plane/print'),
    ])
    const { objects, diagnostics } = generate([config], await readGenerationOptions(NAME, args))
    if (diagnostics.length > 0) process.stderr.write(`${formatDiagnostics(diagnostics, 'text')}\n`)
    const format = args.text('output') === 'json' ? 'json' : 'yaml'
    process.stdout.write(
      printObjects(
        objects.map(({ object }) => object),
        format,
      ),
    )
    return hasErrors(diagnostics) ? 1 : 0
  },
}
