/**
 * The kinds that travel over MCP-over-xDS, and what a stream calls them: `networking.istio.io/v1/ServiceEntry`. istiod
 * knows each kind under one version, which one depends on its release (v1 from 1.24 on, v1alpha3 before), and says nothing
 * of one it does not know. So versions are aliases here: a server answers in the one it was asked in, a client asks in all.
 */
import type { DescMessage } from '@bufbuild/protobuf'
import { definitionOf, type Kind } from '@aeraki/api'
import { DestinationRuleSchema } from '@aeraki/xds/gen/istio/networking/v1alpha3/destination_rule_pb.ts'
import { EnvoyFilterSchema } from '@aeraki/xds/gen/istio/networking/v1alpha3/envoy_filter_pb.ts'
import { GatewaySchema } from '@aeraki/xds/gen/istio/networking/v1alpha3/gateway_pb.ts'
import { ServiceEntrySchema, WorkloadEntrySchema } from '@aeraki/xds/gen/istio/networking/v1alpha3/service_entry_pb.ts'
import { VirtualServiceSchema } from '@aeraki/xds/gen/istio/networking/v1alpha3/virtual_service_pb.ts'

const messages = {
  ServiceEntry: ServiceEntrySchema,
  WorkloadEntry: WorkloadEntrySchema,
  VirtualService: VirtualServiceSchema,
  DestinationRule: DestinationRuleSchema,
  Gateway: GatewaySchema,
  EnvoyFilter: EnvoyFilterSchema,
} as const satisfies Partial<Record<Kind, DescMessage>>

export type McpKind = keyof typeof messages

export const mcpKinds = Object.keys(messages) as readonly McpKind[]

export function isMcpKind(kind: string): kind is McpKind {
  return Object.hasOwn(messages, kind)
}

/** The message of the kind's spec, the same for all versions. */
export function messageOf(kind: McpKind): DescMessage {
  return messages[kind]
}

/** Every name that a stream may have for the kind. */
export function collectionsOf(kind: McpKind): readonly string[] {
  const { group, versions } = definitionOf(kind)
  return versions.map((version) => `${group}/${version}/${kind}`)
}

/** Undefined: no kind of ours, under whatever version. */
export function kindOfCollection(typeUrl: string): McpKind | undefined {
  const [group = '', version = '', kind = '', ...rest] = typeUrl.split('/')
  if (rest.length > 0 || version === '' || !isMcpKind(kind)) return undefined
  return definitionOf(kind).group === group ? kind : undefined
}
