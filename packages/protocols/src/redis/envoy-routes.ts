/** Rules of a RedisService as prefix routes: Envoy takes the longest prefix of a key, whatever their order. */
import type { ObjectOf, RedisRoute, RedisRouteDestination } from '@aeraki/api'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  RedisProxy_PrefixRoutes_Route_RequestMirrorPolicySchema,
  RedisProxy_PrefixRoutes_RouteSchema,
  RedisProxy_PrefixRoutesSchema,
} from '@aeraki/xds/gen/envoy/extensions/filters/network/redis_proxy/v3/redis_proxy_pb.ts'
import type { EnvoyPort } from '../envoy/contract.ts'
import { fraction } from '../envoy/message.ts'
import { refOf } from './envoy-policy.ts'

type PrefixRoutes = MessageInitShape<typeof RedisProxy_PrefixRoutesSchema>
type Route = MessageInitShape<typeof RedisProxy_PrefixRoutes_RouteSchema>
type Mirror = MessageInitShape<typeof RedisProxy_PrefixRoutes_Route_RequestMirrorPolicySchema>

/** Every command gets an error: Istio's cluster without endpoints; where that is missing, too, it comes to the same. */
export const nobody: PrefixRoutes = { catchAllRoute: { cluster: 'BlackHoleCluster' } }

/** Without rules every key goes to the service itself; where there are some and none is for the rest, the rest fails. */
export function prefixRoutes(port: EnvoyPort, service: ObjectOf<'RedisService'> | undefined): PrefixRoutes {
  const rules = service?.spec.redis ?? []
  if (service === undefined || rules.length === 0) return { catchAllRoute: { cluster: port.cluster } }
  const made = rules.map((rule, index) => ({ prefix: prefixOf(rule), route: routeOf(port, service, rule, index) }))
  const catchAll = made.findLast(({ prefix }) => prefix === '')
  return {
    routes: made.filter(({ prefix }) => prefix !== '').map(({ route }) => route),
    caseInsensitive: service.spec.settings?.caseInsensitive ?? false,
    ...(catchAll === undefined ? {} : { catchAllRoute: catchAll.route }),
  }
}

function prefixOf({ match }: RedisRoute): string {
  return match?.key?.prefix ?? ''
}

function routeOf(port: EnvoyPort, service: ObjectOf<'RedisService'>, rule: RedisRoute, index: number): Route {
  const { route, match, mirror = [] } = rule
  const at = `spec.redis[${index}]`
  return {
    prefix: prefixOf(rule),
    removePrefix: prefixOf(rule) !== '' && match?.key?.removePrefix === true,
    cluster: port.resolve(route) ?? unreachable(port, service, route, `${at}.route`),
    requestMirrorPolicy: mirror.flatMap(({ route: to, percentage, excludeReadCommands }, i): Mirror[] => {
      const cluster = port.resolve(to)
      if (cluster === undefined) {
        reportMissing(port, service, to, `${at}.mirror[${i}].route`, 'nothing is mirrored to it')
        return []
      }
      return [
        {
          cluster,
          runtimeFraction: { defaultValue: fraction(percentage?.value ?? 100) },
          excludeReadCommands: excludeReadCommands ?? false,
        },
      ]
    }),
  }
}

/** A cluster that is not there: keys of the rule get an error, and must not end up where another rule leads. */
function unreachable(
  port: EnvoyPort,
  service: ObjectOf<'RedisService'>,
  to: RedisRouteDestination,
  field: string,
): string {
  reportMissing(port, service, to, field, 'commands for these keys get an error')
  return `outbound|${to.port ?? port.number}||${port.fullName(to.host)}`
}

function reportMissing(
  port: EnvoyPort,
  service: ObjectOf<'RedisService'>,
  { host, port: number }: RedisRouteDestination,
  field: string,
  consequence: string,
): void {
  port.report(refOf(service), {
    severity: 'error',
    code: 'ENVOY_UNKNOWN_DESTINATION',
    field: `${field}.host`,
    value: host,
    message: `no ServiceEntry has this host${number === undefined ? ', or it has several ports and none of them is meant' : ` with port ${number}`}: ${consequence}`,
    remedy: 'correct the host or the port, or add the ServiceEntry',
  })
}
