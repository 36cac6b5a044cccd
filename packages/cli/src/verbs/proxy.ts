import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { AerakiError } from '@aeraki/api/errors'
import { getLogger } from '@logtape/logtape'
import type { Command } from '../command.ts'
import { proxyProgram } from '../proxy-process.ts'

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1'] as const

export const command: Command = {
  operands: '',
  description: [
    'Runs the MetaProtocol Proxy, with its configuration from a control plane or from a bootstrap file, until it is',
    'interrupted. It runs on Bun where Bun is installed, else on Node, and says which.',
  ].join('\n'),
  options: {
    runtime: { type: 'string', value: 'NAME', choices: ['auto', 'bun', 'node'], help: 'what to run on (default auto)' },
    'control-plane': { type: 'string', value: 'HOST:PORT', help: 'the control plane' },
    node: { type: 'string', value: 'ID', help: 'sidecar~IP~NAME.NAMESPACE~NAMESPACE.svc.cluster.local' },
    locality: { type: 'string', value: 'REGION/ZONE', help: 'where the proxy is' },
    labels: { type: 'string', value: 'KEY=VALUE,...', help: "the workload's labels" },
    namespace: { type: 'string', value: 'NAME', help: "the workload's namespace (default: as in the node's id)" },
    app: { type: 'string', value: 'HOST[:PORT]', help: 'the local app behind inbound listeners (default 127.0.0.1)' },
    bootstrap: {
      type: 'string',
      value: 'FILE',
      help: "an Envoy-shaped bootstrap, in place of the control plane's flags",
    },
    'admin-address': { type: 'string', value: 'HOST:PORT', help: 'the admin pages, or off (default 127.0.0.1:15000)' },
    'drain-time': {
      type: 'string',
      value: 'SECONDS',
      help: 'how long requests in flight may take at the end (default 5)',
    },
  },
  examples: [
    'aeraki proxy --control-plane 127.0.0.1:15010 --node sidecar~127.0.0.1~web-1.default~default.svc.cluster.local',
    'aeraki proxy --runtime node --bootstrap bootstrap.yaml',
  ],
  passThrough: true,
  async run(args) {
    const { runtime, program, args: script } = proxyProgram(args.text('runtime'))
    getLogger(['aeraki', 'cli']).info('The proxy runs on {name}: {reason}.', {
      name: runtime.name,
      reason: runtime.reason,
    })
    return await become(program, [...script, ...withoutRuntime(args.raw)])
  },
}

/** The proxy knows its own flags; this one is ours. */
function withoutRuntime(raw: readonly string[]): string[] {
  return raw.filter((word, at) => {
    return word !== '--runtime' && !word.startsWith('--runtime=') && raw[at - 1] !== '--runtime'
  })
}

/** Runs a program in our place: its input and output are ours, and so are its signals and its exit code. */
async function become(program: string, args: readonly string[]): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit' })
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      // Ctrl-C in a terminal reaches the child by itself.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  return await new Promise((resolve, reject) => {
    child.once('error', (error) => {
      reject(new AerakiError('CLI_SPAWN', `cannot start ${program}: ${error.message}`, { cause: error }))
    })
    child.once('exit', (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]))
    })
  })
}
