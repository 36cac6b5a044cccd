/** EnvoyFilters in YAML, a small listener, and what becomes of it. */
import assert from 'node:assert/strict'
import { create, type MessageInitShape, toJson } from '@bufbuild/protobuf'
import { anyPack } from '@bufbuild/protobuf/wkt'
import { isKind, loadResources } from '@aeraki/api'
import type { FilterChainSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_components_pb.ts'
import { type Listener, ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { TcpProxySchema } from '@aeraki/xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts'
import { knownTypes } from '../../src/envoy-patch/json.ts'
import { patchListener } from '../../src/envoy-patch/listener.ts'
import { parseFilter } from '../../src/envoy-patch/parse.ts'
import type { Context, PatchFile } from '../../src/envoy-patch/patch.ts'
import { type PatchedProxy, patchesFor } from '../../src/envoy-patch/patch-set.ts'
import type { Finding } from '../../src/mesh/findings.ts'

export const tcpProxy = 'envoy.filters.network.tcp_proxy'

export interface FilterOptions {
  readonly name?: string
  readonly namespace?: string
  readonly created?: string
  /** Fields of the spec beside the patches, in flow style. */
  readonly spec?: string
}

/** An EnvoyFilter with these patches, each in flow style. */
export function envoyFilter(patches: readonly string[], options: FilterOptions = {}): string {
  const { name = 'it', namespace = 'istio-system', created, spec } = options
  return `---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: ${name}, namespace: ${namespace}${created === undefined ? '' : `, creationTimestamp: "${created}"`}}
spec:
${spec === undefined ? '' : `  ${spec}\n`}  configPatches:
${patches.map((patch) => `  - ${patch}\n`).join('')}`
}

export function parse(yaml: string): { files: PatchFile[]; findings: Finding[] } {
  const findings: Finding[] = []
  const { objects, diagnostics } = loadResources(yaml, 'test.yaml')
  assert.deepEqual(
    diagnostics.filter(({ severity }) => severity === 'error'),
    [],
  )
  const files = objects.flatMap((object) =>
    isKind(object, 'EnvoyFilter') ? [parseFilter(object, (finding) => findings.push(finding))] : [],
  )
  return { files, findings }
}

export const proxy: PatchedProxy = {
  namespace: 'default',
  labels: { app: 'web' },
  metadata: {},
  version: '1.29.1',
  filterTypes: undefined,
}

export interface Patched {
  readonly listener: Listener | undefined
  readonly problems: readonly string[]
}

export function patched(
  base: Listener,
  yaml: string,
  { context = 'SIDECAR_OUTBOUND', as = proxy }: { context?: Context; as?: PatchedProxy } = {},
): Patched {
  const { files, findings } = parse(yaml)
  assert.deepEqual(findings, [])
  const problems: string[] = []
  const patches = patchesFor(as, files, 'istio-system').forListener(base.name)
  return { listener: patchListener(base, context, patches, (_, problem) => problems.push(problem)), problems }
}

type Chain = MessageInitShape<typeof FilterChainSchema>

/** `10.0.0.1_80`, with one chain of a filter `first` and tcp_proxy, unless other chains are given. */
export function listener(name = '10.0.0.1_80', chains?: readonly Chain[]): Listener {
  return create(ListenerSchema, {
    name,
    address: {
      address: {
        case: 'socketAddress',
        value: { address: '10.0.0.1', portSpecifier: { case: 'portValue', value: 80 } },
      },
    },
    filterChains: [...(chains ?? [{ filters: [{ name: 'first' }, tcp('outbound|80||a.b')] }])],
  })
}

export function tcp(cluster: string) {
  const message = create(TcpProxySchema, { statPrefix: cluster, clusterSpecifier: { case: 'cluster', value: cluster } })
  return { name: tcpProxy, configType: { case: 'typedConfig' as const, value: anyPack(TcpProxySchema, message) } }
}

export function filterNames(patchedListener: Listener | undefined): string[][] {
  return (patchedListener?.filterChains ?? []).map(({ filters }) => filters.map(({ name }) => name))
}

export function jsonOf(message: Listener | undefined): unknown {
  return message && toJson(ListenerSchema, message, { registry: knownTypes, useProtoFieldName: true })
}
