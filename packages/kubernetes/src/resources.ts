/** Which resources the API server has, and where. */
import type { KubernetesClient } from './client.ts'
import { statusOf } from './errors.ts'

export interface Resource {
  /** Empty for the core group. */
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
}

/** A resource in any of the versions that we can read. */
export interface ResourceQuery {
  readonly group: string
  readonly kind: string
  /** Those we can read, the best first. */
  readonly versions: readonly string[]
}

/** Those that every cluster has in these versions. */
export const core = {
  services: { group: '', version: 'v1', plural: 'services', kind: 'Service', namespaced: true },
  namespaces: { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false },
  nodes: { group: '', version: 'v1', plural: 'nodes', kind: 'Node', namespaced: false },
  pods: { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true },
  secrets: { group: '', version: 'v1', plural: 'secrets', kind: 'Secret', namespaced: true },
  leases: { group: 'coordination.k8s.io', version: 'v1', plural: 'leases', kind: 'Lease', namespaced: true },
  endpointSlices: {
    group: 'discovery.k8s.io',
    version: 'v1',
    plural: 'endpointslices',
    kind: 'EndpointSlice',
    namespaced: true,
  },
} as const satisfies Record<string, Resource>

export function apiVersionOf({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`
}

/** Without a name: the collection, of one namespace or of all. */
export function pathOf(resource: Resource, namespace?: string, name?: string, subresource?: string): string {
  const root = resource.group === '' ? '/api' : `/apis/${resource.group}`
  const parts = [
    root,
    resource.version,
    ...(resource.namespaced && namespace !== undefined ? ['namespaces', encodeURIComponent(namespace)] : []),
    resource.plural,
    ...(name === undefined ? [] : [encodeURIComponent(name)]),
    ...(subresource === undefined ? [] : [subresource]),
  ]
  return parts.join('/')
}

interface ResourceList {
  readonly resources?: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[]
}

/** The best version that is served; undefined where none is, as before its CRD is there. */
export async function findResource(client: KubernetesClient, query: ResourceQuery): Promise<Resource | undefined> {
  const { group, kind } = query
  const root = group === '' ? '/api' : `/apis/${group}`
  for (const version of query.versions) {
    try {
      const { resources = [] } = await client.request<ResourceList>({ path: `${root}/${version}` })
      const found = resources.find((each) => each.kind === kind && !each.name.includes('/'))
      if (found !== undefined) return { group, version, plural: found.name, kind, namespaced: found.namespaced }
    } catch (error) {
      if (statusOf(error) !== 404) throw error
    }
  }
  return undefined
}
