/** A protocol that Envoy reads along and does not route: its filter stands before `tcp_proxy`, on both sides. */
import type { JsonObject } from '@bufbuild/protobuf'
import type { EnvoyPort, EnvoyProtocol } from './contract.ts'

/** `config` of a port; undefined: no filter, and it has been reported why. */
export function observer(
  name: string,
  filterName: string,
  typeName: string,
  configOf: (port: EnvoyPort) => JsonObject | undefined,
): EnvoyProtocol {
  return {
    name,
    policyKinds: [],
    translate(port) {
      reportForeignRoutes(port, name)
      const config = configOf(port)
      if (config === undefined) return undefined
      return { before: [{ name: filterName, typeUrl: `type.googleapis.com/${typeName}`, config }] }
    },
  }
}

function reportForeignRoutes(port: EnvoyPort, protocol: string): void {
  const [route] = port.routes ?? []
  if (route === undefined) return
  port.report(route.origin, {
    severity: 'warning',
    code: 'ENVOY_UNSUPPORTED',
    field: 'spec',
    message: `Envoy observes ${protocol} and does not route it: the ${route.origin.kind} has no effect on ${port.host}`,
    remedy: 'remove the rule',
  })
}
