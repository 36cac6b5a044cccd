/** `aeraki control-plane --kubernetes`. */
import type { AddressBlock } from '@aeraki/control-plane'
import type { BridgeConfig } from '@aeraki/registries'
import { readAddress } from './arguments.ts'
import type { Arguments, Options } from './command.ts'
import { clusterNames, readGenerationOptions } from './generation-options.ts'
import { untilTerminated } from './signals.ts'
import { UsageError } from './usage.ts'

export const clusterOptions: Options = {
  kubernetes: { type: 'boolean', help: 'read a Kubernetes cluster instead of a folder' },
  kubeconfig: {
    type: 'string',
    value: 'FILE',
    help: 'how to reach the cluster (default: KUBECONFIG, the service account of the pod, ~/.kube/config)',
  },
  context: { type: 'string', value: 'NAME', help: 'a context of the kubeconfig (default: its current one)' },
  namespace: {
    type: 'string',
    value: 'NAME',
    help: 'where the Lease of the leader is (default: the namespace of the pod or the context)',
  },
  ...clusterNames,
  'address-block': {
    type: 'string',
    value: 'CIDR',
    help: 'out of which ServiceEntries without an address are given one (default: 240.241.0.0/16)',
  },
  webhook: { type: 'string', value: 'HOST:PORT', help: 'where the API server has objects checked (default: nowhere)' },
  'webhook-cert': { type: 'string', value: 'FILE', help: 'certificate of the webhook, PEM' },
  'webhook-key': { type: 'string', value: 'FILE', help: 'its key, PEM' },
}

/** What has no meaning there, and what to do instead. */
const otherwise = {
  config: 'the configuration is in the cluster; "aeraki control-plane --config DIR" alone serves a folder',
  state: 'addresses are kept in the ServiceEntries, and need no file; leave it out',
  istiod: `istiod's configuration is in the cluster, which is read already; leave it out. For what only istiod has, run "aeraki control-plane --config DIR --istiod HOST:PORT"`,
  'route-files': 'routes come to sidecars in EnvoyFilters; leave it out, and see --istio-routes',
}

export async function runInCluster(verb: string, args: Arguments): Promise<number> {
  if (args.words[0] !== undefined) throw new UsageError(`unexpected "${args.words[0]}"`, verb)
  for (const [option, instead] of Object.entries(otherwise)) {
    if (args.text(option) !== undefined) throw new UsageError(`--${option} with --kubernetes: ${instead}`, verb)
  }
  const registriesFile = args.text('registries')
  const { startKubernetesControlPlane } = await import('@aeraki/control-plane')
  const controlPlane = await startKubernetesControlPlane({
    kubeconfig: args.text('kubeconfig'),
    context: args.text('context'),
    namespace: args.text('namespace'),
    ...(await readGenerationOptions(verb, args)),
    addressBlock: await readAddressBlock(verb, args),
    xds: readAddress(verb, 'xds', args.text('xds') ?? ''),
    admin: readAddress(verb, 'admin', args.text('admin') ?? ''),
    webhook: readWebhook(verb, args),
    registries: registriesFile === undefined ? undefined : await readRegistries(verb, registriesFile),
  })
  const terminated = untilTerminated()
  const { xdsAddress, adminAddress, webhookAddress } = controlPlane
  const lines = { xds: xdsAddress, admin: adminAddress, webhook: webhookAddress }
  for (const [name, address] of Object.entries(lines)) {
    if (address !== undefined) process.stdout.write(`${name} ${address}\n`)
  }
  await terminated
  await controlPlane.close()
  return 0
}

async function readRegistries(verb: string, file: string): Promise<BridgeConfig> {
  const { loadBridgeConfig } = await import('@aeraki/registries')
  const config = loadBridgeConfig(file)
  const { kubeconfig, context } = config.outputs.kubernetes ?? {}
  if (kubeconfig === undefined && context === undefined) return config
  throw new UsageError(
    `${file}: outputs.kubernetes names a cluster, but with --kubernetes ServiceEntries go to the one that is read; leave it out, or run "aeraki registry --config ${file}"`,
    verb,
  )
}

async function readAddressBlock(verb: string, args: Arguments): Promise<AddressBlock | undefined> {
  const text = args.text('address-block')
  if (text === undefined) return undefined
  const { parseAddressBlock } = await import('@aeraki/control-plane')
  const parsed = parseAddressBlock(text)
  if (parsed.kind === 'wrong') throw new UsageError(`--address-block "${text}" ${parsed.problem}`, verb)
  return parsed.block
}

function readWebhook(verb: string, args: Arguments) {
  const listen = args.text('webhook')
  const certFile = args.text('webhook-cert')
  const keyFile = args.text('webhook-key')
  if (listen === undefined) return undefined
  if (certFile === undefined || keyFile === undefined) {
    throw new UsageError('a webhook needs --webhook-cert FILE and --webhook-key FILE', verb)
  }
  return { listen: readAddress(verb, 'webhook', listen), certFile, keyFile }
}
