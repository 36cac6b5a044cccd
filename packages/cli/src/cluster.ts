/** `aeraki control-plane --kubernetes`. */
import { readAddress } from './arguments.ts'
import type { Arguments, Options } from './command.ts'
import { readIstioRoutes } from './istio-routes.ts'
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
  'root-namespace': { type: 'string', value: 'NAME', help: "Istio's root namespace (default: istio-system)" },
  webhook: { type: 'string', value: 'HOST:PORT', help: 'where the API server has objects checked (default: nowhere)' },
  'webhook-cert': { type: 'string', value: 'FILE', help: 'certificate of the webhook, PEM' },
  'webhook-key': { type: 'string', value: 'FILE', help: 'its key, PEM' },
}

export async function runInCluster(verb: string, args: Arguments): Promise<number> {
  if (args.words[0] !== undefined) throw new UsageError(`unexpected "${args.words[0]}"`, verb)
  for (const option of ['config', 'state', 'registries', 'istiod']) {
    if (args.text(option) !== undefined) throw new UsageError(`--${option} has no meaning with --kubernetes`, verb)
  }
  const { startKubernetesControlPlane } = await import('@aeraki/control-plane')
  const controlPlane = await startKubernetesControlPlane({
    kubeconfig: args.text('kubeconfig'),
    context: args.text('context'),
    namespace: args.text('namespace'),
    rootNamespace: args.text('root-namespace'),
    istioDelivery: readIstioRoutes(args),
    xds: readAddress(verb, 'xds', args.text('xds') ?? ''),
    admin: readAddress(verb, 'admin', args.text('admin') ?? ''),
    webhook: readWebhook(verb, args),
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
