import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import os from 'node:os'
import { AerakiError } from '@aeraki/api/errors'
import { getLogger } from '@logtape/logtape'
import { proxyFlags, runtimePreferences } from '@aeraki/proxy'
import { commonOptions, type Command, type Options } from '../command.ts'
import { proxyProgram } from '../proxy-process.ts'

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1'] as const

export const command: Command = {
  operands: '',
  description: [
    'Runs the MetaProtocol Proxy, with its configuration from a control plane or from a bootstrap file, until it is',
    'interrupted. It runs on Bun where Bun is installed, else on Node, and says which.',
  ].join('\n'),
  options: {
    runtime: { type: 'string', value: 'NAME', choices: runtimePreferences, help: 'what to run on (default auto)' },
    ...flagsOfTheProxy(),
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

/** As the proxy's process documents them, but for those that every verb has. */
function flagsOfTheProxy(): Options {
  return Object.fromEntries(
    proxyFlags
      .filter(({ name }) => !(name in commonOptions))
      .map(({ name, value, help }) => {
        return [name, value === undefined ? { type: 'boolean', help } : { type: 'string', value, help }]
      }),
  )
}

/** The proxy knows its own flags; this one is ours. */
function withoutRuntime(raw: readonly string[]): string[] {
  return raw.filter((word, at) => {
    return word !== '--runtime' && !word.startsWith('--runtime=') && raw[at - 1] !== '--runtime'
  })
}

/**
 * Runs a program in our place: its input and output are ours, and so are its signals and its exit code. Where the system
 * lets it, it takes over our process, so that nothing of ours stays in memory and a `kill -9` means the proxy.
 */
async function become(program: string, args: readonly string[]): Promise<number> {
  if (isExecutable(program)) process.execve?.(program, [program, ...args], process.env)
  return await runBeside(program, args)
}

/** The same as a child. */
async function runBeside(program: string, args: readonly string[]): Promise<number> {
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
      resolve(code ?? 128 + (signal === null ? 0 : os.constants.signals[signal]))
    })
  })
}

/** What can't be executed makes `execve` abort the process; a child says why. */
function isExecutable(program: string): boolean {
  try {
    accessSync(program, constants.X_OK)
    return true
  } catch {
    return false
  }
}
