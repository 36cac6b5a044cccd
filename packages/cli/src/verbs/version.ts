import { readFileSync } from 'node:fs'
import type { Command } from '../command.ts'

const OUTPUTS = ['text', 'json'] as const

export const command: Command = {
  operands: '',
  description: 'Prints the version of aeraki, of the Node it runs on, and of the runtime the proxy would run on.',
  options: {
    output: { type: 'string', short: 'o', value: 'FORMAT', choices: OUTPUTS, default: 'text', help: 'format' },
  },
  examples: ['aeraki version', 'aeraki version --output json'],
  async run(args) {
    const { chooseRuntime } = await import('@aeraki/proxy')
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string
    }
    const runtime = chooseRuntime()
    const about = { aeraki: manifest.version, node: process.versions.node, proxyRuntime: runtime.name }
    if (args.text('output') === 'json') process.stdout.write(`${JSON.stringify(about)}\n`)
    else process.stdout.write(`aeraki ${about.aeraki} (node ${about.node}, proxy on ${about.proxyRuntime})\n`)
    return 0
  },
}
