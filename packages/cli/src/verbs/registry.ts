import { readAddress } from '../arguments.ts'
import type { Command } from '../command.ts'
import { untilTerminated } from '../signals.ts'
import { UsageError } from '../usage.ts'

const NAME = 'registry'

export const command: Command = {
  operands: '[status]',
  description: [
    'Brings the services of registries into the mesh, as the file says, until it is interrupted. Prints the address of its',
    'admin pages when it runs; /ready there is 200 when every registry has been read once. Port 0 takes a free port.',
    'With "status": asks one that runs, or a control plane with --registries, how it is, and which providers are not in',
    'the mesh and why.',
  ].join('\n'),
  options: {
    config: { type: 'string', value: 'FILE', help: 'the registries and outputs (required, but for status)' },
    admin: { type: 'string', value: 'HOST:PORT', default: '127.0.0.1:15016', help: 'the admin pages' },
  },
  examples: [
    'aeraki registry --config registries.yaml',
    'aeraki registry status',
    'aeraki registry status --admin 127.0.0.1:15014',
  ],
  async run(args) {
    const admin = readAddress(NAME, 'admin', args.text('admin') ?? '')
    const [word, surplus] = args.words
    if (surplus !== undefined || (word !== undefined && word !== 'status')) {
      throw new UsageError(`unexpected "${surplus ?? word}"`, NAME)
    }
    if (word === 'status') {
      const { printRegistryStatus } = await import('../registry-status.ts')
      return await printRegistryStatus(admin)
    }
    const file = args.text('config')
    if (file === undefined) throw new UsageError('give the file that names the registries: --config FILE', NAME)
    return await run(file, admin)
  },
}

async function run(file: string, listen: { host: string; port: number }): Promise<number> {
  const { loadBridgeConfig } = await import('@aeraki/registries')
  const { bridgePages, runBridge, startAdmin } = await import('@aeraki/control-plane')
  const config = loadBridgeConfig(file)
  if (Object.keys(config.outputs).length === 0) {
    throw new UsageError(`${file} names no output: add "outputs: {folder: DIR}" or "outputs: {kubernetes: {}}"`, NAME)
  }
  const running = runBridge(config)
  try {
    const server = await startAdmin(listen, bridgePages(running.bridge, running.cluster))
    const terminated = untilTerminated()
    process.stdout.write(`admin ${server.address}\n`)
    await terminated
    await server.close()
  } finally {
    await running.close()
  }
  return 0
}
