/** The proxy's command line. */
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import { AerakiError } from '@aeraki/api/errors'
import { parseConcurrency } from './concurrency.ts'
import { bootstrapFromFlags, type Bootstrap } from './config/bootstrap.ts'
import { loadBootstrap } from './config/bootstrap-file.ts'
import type { Address } from './config/model.ts'
import { proxyFlags } from './flag-table.ts'

export type Flags =
  | { readonly kind: 'help' }
  | {
      readonly kind: 'run'
      readonly bootstrap: Bootstrap
      readonly logLevel: string
      readonly drainMs: number
      readonly concurrency: number
      readonly intercept: number | undefined
      readonly statusAddress: Address | undefined
    }

/** With --bootstrap these have no effect, and saying so beats leaving them out. */
const onlyWithControlPlane = ['control-plane', 'node', 'locality', 'labels', 'namespace', 'app'] as const

export function helpText(): string {
  const lines = proxyFlags.map(
    ({ name, value, help }) => `  ${`--${name}${value === undefined ? '' : ` ${value}`}`.padEnd(34)} ${help}`,
  )
  return `Runs the MetaProtocol Proxy.\n\n${lines.join('\n')}\n`
}

/** Throws `AerakiError` PROXY_FLAGS_INVALID, or what is wrong with the bootstrap. */
export function parseFlags(args: readonly string[]): Flags {
  const values = read(args)
  if (values.has('help')) return { kind: 'help' }
  const drain = values.get('drain-time') ?? '5'
  if (!/^\d+(\.\d+)?$/.test(drain)) throw invalid(`--drain-time "${drain}": give seconds, such as 5`)
  const intercept = values.get('intercept')
  if (intercept !== undefined && !(/^\d{1,5}$/.test(intercept) && Number(intercept) <= 65_535)) {
    throw invalid(`--intercept "${intercept}": give a port, such as 15001`)
  }
  const status = values.get('status-address')
  return {
    kind: 'run',
    statusAddress: status === undefined ? undefined : address('status-address', status),
    intercept: intercept === undefined ? undefined : Number(intercept),
    bootstrap: bootstrapOf(values),
    concurrency: parseConcurrency(values.get('concurrency') ?? '1'),
    logLevel: values.get('log-level') ?? 'info',
    drainMs: Number(drain) * 1000,
  }
}

function bootstrapOf(values: ReadonlyMap<string, string>): Bootstrap {
  const file = values.get('bootstrap')
  const admin = values.get('admin-address')
  if (file !== undefined) {
    const idle = onlyWithControlPlane.filter((name) => values.has(name))
    if (idle.length > 0) throw invalid(`--bootstrap and --${idle[0]}: give one or the other`)
    const bootstrap = loadBootstrap(file)
    return admin === undefined ? bootstrap : { ...bootstrap, adminAddress: adminAddress(admin) }
  }
  const controlPlane = values.get('control-plane')
  if (controlPlane === undefined) throw invalid('give --bootstrap FILE, or --control-plane HOST:PORT and --node ID')
  const node = values.get('node')
  if (node === undefined) throw invalid('--control-plane needs --node ID, so that the control plane knows who asks')
  return bootstrapFromFlags({
    controlPlane,
    node,
    locality: values.get('locality'),
    labels: labels(values.get('labels') ?? ''),
    namespace: values.get('namespace'),
    app: values.get('app'),
    adminAddress: adminAddress(admin ?? '127.0.0.1:15000'),
  })
}

function adminAddress(text: string): Address | undefined {
  return text === 'off' ? undefined : address('admin-address', text, ', or off')
}

function address(flag: string, text: string, otherwise = ''): Address {
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d{1,5})$/.exec(text) ?? []
  if (host === '' || Number(port) > 65_535)
    throw invalid(`--${flag} "${text}": give HOST:PORT, such as 127.0.0.1:15000${otherwise}`)
  return { host, port: Number(port) }
}

function labels(text: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const pair of text.split(',').filter((each) => each !== '')) {
    const [, key = '', value = ''] = /^([^=]+)=(.*)$/.exec(pair) ?? []
    if (key === '') throw invalid(`--labels "${pair}": give KEY=VALUE,KEY=VALUE`)
    found[key] = value
  }
  return found
}

function read(args: readonly string[]): ReadonlyMap<string, string> {
  const options: ParseArgsOptionsConfig = Object.fromEntries(
    proxyFlags.map(({ name, value }) => [name, { type: value === undefined ? 'boolean' : 'string' } as const]),
  )
  const known = new Map(proxyFlags.map((flag) => [flag.name, flag]))
  const values = new Map<string, string>()
  // Not strict: the messages of parseArgs don't say what to do.
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true })
  for (const token of tokens) {
    if (token.kind === 'positional') throw invalid(`"${token.value}": every value needs its flag, see --help`)
    if (token.kind !== 'option') continue
    const flag = known.get(token.name)
    if (flag === undefined) throw invalid(`unknown flag ${token.rawName}, see --help`)
    if (values.has(flag.name)) throw invalid(`--${flag.name} is given twice`)
    const missing = token.value === undefined || (token.value.startsWith('--') && !token.inlineValue)
    if (flag.value !== undefined && missing) throw invalid(`--${flag.name} needs a value: --${flag.name} ${flag.value}`)
    values.set(flag.name, token.value ?? '')
  }
  return values
}

function invalid(message: string): AerakiError {
  return new AerakiError('PROXY_FLAGS_INVALID', message)
}
