/**
 * What of the mesh istiod gets over MCP: the EnvoyFilters and VirtualServices that are made here, and Istio's own objects
 * that came from elsewhere than from an istiod. ServiceEntries go with the addresses that were given here, for the listeners
 * that our EnvoyFilters patch are called by them.
 */
import { canonicalHost, type LoadedObject } from '@aeraki/api'
import { isMcpKind } from '../mcp/collections.ts'
import type { McpObject } from '../mcp/objects.ts'
import type { Mesh } from '../mesh/mesh.ts'
import { serviceKey } from '../mesh/model.ts'
import type { Pipeline } from '../pipeline.ts'
import { isFromMcp } from '../sources/mcp.ts'
import type { McpOutput } from './mcp.ts'

/** Publishes everything, and from then on every change. */
export function feed(output: McpOutput, pipeline: Pipeline): void {
  const { mesh, store } = pipeline
  const made = pipeline.generated(({ changed, removed }) => {
    output.publish({ put: changed.map(({ object }) => object), removed })
  })
  pipeline.subscribe((changes) => {
    const put = changes.flatMap(({ kind, object }) => (kind === 'removed' ? [] : toSend(object, mesh)))
    output.publish({ put, removed: changes.flatMap(({ kind, object }) => (kind === 'removed' ? known(object) : [])) })
  })
  const kept = [...store.objects()].flatMap((object) => toSend(object, mesh))
  output.publish({ put: [...kept, ...made.objects().map(({ object }) => object)], removed: [] })
}

function known(object: LoadedObject): McpObject[] {
  const { kind, metadata, spec } = object
  return isMcpKind(kind) && !isFromMcp(object) ? [{ kind, metadata, spec }] : []
}

function toSend(object: LoadedObject, mesh: Mesh): McpObject[] {
  const sent = known(object)
  if (object.kind !== 'ServiceEntry' || (object.spec.addresses ?? []).length > 0) return sent
  const { spec } = object
  // A TCP service of Istio's has one host: where there are several, each needs a ServiceEntry of its own to have an address.
  const [host, ...others] = spec.hosts
  if (host === undefined || others.length > 0) return sent
  const service = mesh.service(serviceKey(object.metadata.namespace, canonicalHost(host)))
  const addresses = (service?.addresses ?? []).map(({ address }) => address)
  return addresses.length === 0 ? sent : sent.map((each) => ({ ...each, spec: { ...spec, addresses } }))
}
