/**
 * Istio EnvoyFilter (networking.istio.io/v1alpha3). Checked as deep as its own fields go; what a patch carries is Envoy's
 * configuration and stays as it is.
 */
import { type Static, Type } from 'typebox'
import { closed, freeForm, int32, LabelSelector, mapOf, oneOf, strings, uint32 } from './builders.ts'

const FilterChainMatch = closed({
  name: Type.Optional(Type.String()),
  sni: Type.Optional(Type.String()),
  transportProtocol: Type.Optional(Type.String()),
  applicationProtocols: Type.Optional(Type.String()),
  destinationPort: Type.Optional(uint32()),
  filter: Type.Optional(
    closed({
      name: Type.Optional(Type.String()),
      subFilter: Type.Optional(closed({ name: Type.Optional(Type.String()) })),
    }),
  ),
})

export const EnvoyConfigMatch = closed({
  context: Type.Optional(oneOf(['ANY', 'SIDECAR_INBOUND', 'SIDECAR_OUTBOUND', 'GATEWAY', 'WAYPOINT'])),
  proxy: Type.Optional(
    closed({ proxyVersion: Type.Optional(Type.String()), metadata: Type.Optional(mapOf(Type.String())) }),
  ),
  listener: Type.Optional(
    closed({
      portNumber: Type.Optional(uint32()),
      portName: Type.Optional(Type.String()),
      name: Type.Optional(Type.String()),
      filterChain: Type.Optional(FilterChainMatch),
      listenerFilter: Type.Optional(Type.String()),
    }),
  ),
  routeConfiguration: Type.Optional(freeForm()),
  cluster: Type.Optional(freeForm()),
  waypoint: Type.Optional(freeForm()),
})
export type EnvoyConfigMatch = Static<typeof EnvoyConfigMatch>

export const EnvoyConfigPatch = closed({
  applyTo: oneOf([
    'LISTENER',
    'FILTER_CHAIN',
    'NETWORK_FILTER',
    'HTTP_FILTER',
    'ROUTE_CONFIGURATION',
    'VIRTUAL_HOST',
    'HTTP_ROUTE',
    'CLUSTER',
    'EXTENSION_CONFIG',
    'BOOTSTRAP',
    'LISTENER_FILTER',
  ]),
  match: Type.Optional(EnvoyConfigMatch),
  patch: Type.Optional(
    closed({
      operation: Type.Optional(
        oneOf(['MERGE', 'ADD', 'REMOVE', 'INSERT_BEFORE', 'INSERT_AFTER', 'INSERT_FIRST', 'REPLACE']),
      ),
      value: Type.Optional(freeForm()),
      filterClass: Type.Optional(oneOf(['UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS'])),
    }),
  ),
})
export type EnvoyConfigPatch = Static<typeof EnvoyConfigPatch>

export const EnvoyFilter = closed({
  workloadSelector: Type.Optional(LabelSelector),
  targetRefs: Type.Optional(
    Type.Array(
      closed({
        group: Type.Optional(Type.String()),
        kind: Type.String(),
        name: Type.String(),
        namespace: Type.Optional(Type.String()),
        sectionNames: Type.Optional(strings()),
      }),
    ),
  ),
  configPatches: Type.Optional(Type.Array(EnvoyConfigPatch)),
  priority: Type.Optional(int32()),
})
export type EnvoyFilter = Static<typeof EnvoyFilter>
