/** What the objects that are written to a cluster depend on beside the configuration. */
import type { GenerationOptions } from '@aeraki/control-plane/generate'
import type { Arguments, Options } from './command.ts'
import { istioRoutesOption, readIstioRoutes } from './istio-routes.ts'
import { UsageError } from './usage.ts'

/** Where a cluster's names end, and where its own objects are. */
export const clusterNames: Options = {
  'root-namespace': { type: 'string', value: 'NAME', help: "Istio's root namespace (default: istio-system)" },
  'cluster-domain': {
    type: 'string',
    value: 'DOMAIN',
    help: 'of the names of Kubernetes services (default: cluster.local)',
  },
}

export const generationOptions: Options = { ...istioRoutesOption, ...clusterNames }

/** @throws UsageError */
export async function readGenerationOptions(verb: string, args: Arguments): Promise<GenerationOptions> {
  return {
    rootNamespace: args.text('root-namespace'),
    clusterDomain: await readClusterDomain(verb, args),
    istioDelivery: readIstioRoutes(args),
  }
}

async function readClusterDomain(verb: string, args: Arguments): Promise<string | undefined> {
  const text = args.text('cluster-domain')
  if (text === undefined) return undefined
  const { isDnsSubdomain } = await import('@aeraki/api')
  if (isDnsSubdomain(text) && !text.startsWith('svc.')) return text
  throw new UsageError(`--cluster-domain "${text}" is no domain, such as cluster.local (without "svc.")`, verb)
}
