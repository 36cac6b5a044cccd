/** What an object refers to: services (with subset and port), and other objects by name. */
import type { FieldPath } from '../field-path.ts'
import { isKind, type LoadedObject, type ObjectOf } from '../object.ts'
import type { Destination } from '../schema/builders.ts'
import type { RedisRouteDestination } from '../schema/redis.ts'

export type Reference =
  | {
      readonly to: 'host'
      /** Of the record that has the subset. */
      readonly path: FieldPath
      readonly host: string
      readonly hostPath: FieldPath
      readonly subset: string | undefined
      readonly port: number | undefined
      readonly portPath?: FieldPath
    }
  | {
      readonly to: 'object'
      readonly path: FieldPath
      readonly kind: string
      readonly namespace: string
      readonly name: string
    }

export function referencesOf(object: LoadedObject): Reference[] {
  if (isKind(object, 'MetaRouter')) return ofMetaRouter(object)
  if (isKind(object, 'VirtualService')) return ofVirtualService(object)
  if (isKind(object, 'DestinationRule')) return [toHost(object.spec.host, ['spec', 'host'])]
  if (isKind(object, 'RedisService')) return ofRedisService(object)
  if (isKind(object, 'RedisDestination')) return ofRedisDestination(object)
  return []
}

function toDestination(destination: Destination, path: FieldPath): Reference {
  const { host, subset, port } = destination
  return {
    to: 'host',
    path,
    host,
    hostPath: [...path, 'host'],
    subset,
    port: port?.number,
    portPath: [...path, 'port', 'number'],
  }
}

function toGateways(object: LoadedObject, gateways: readonly string[] | undefined): Reference[] {
  return (gateways ?? []).flatMap((written, i): Reference[] => {
    if (written === 'mesh') return []
    const slash = written.indexOf('/')
    const name = written.slice(slash + 1)
    const given = written.slice(0, Math.max(slash, 0))
    const namespace = given === '' || given === '.' ? object.metadata.namespace : given
    return [{ to: 'object', path: ['spec', 'gateways', i], kind: 'Gateway', namespace, name }]
  })
}

function ofMetaRouter(object: ObjectOf<'MetaRouter'>): Reference[] {
  const { hosts, routes = [], gateways } = object.spec
  return [
    ...hosts.map((host, i) => toHost(host, ['spec', 'hosts', i])),
    ...toGateways(object, gateways),
    ...routes.flatMap((route, i) => [
      ...route.route.map(({ destination }, j) =>
        toDestination(destination, ['spec', 'routes', i, 'route', j, 'destination']),
      ),
      ...(route.mirror === undefined ? [] : [toDestination(route.mirror, ['spec', 'routes', i, 'mirror'])]),
    ]),
  ]
}

function ofVirtualService(object: ObjectOf<'VirtualService'>): Reference[] {
  const { http = [], tls = [], tcp = [], gateways } = object.spec
  const weighted = { http, tls, tcp }
  const destinations = Object.entries(weighted).flatMap(([list, routes]) =>
    routes.flatMap(({ route = [] }, i) =>
      route.map(({ destination }, j) => toDestination(destination, ['spec', list, i, 'route', j, 'destination'])),
    ),
  )
  const mirrors = http.flatMap((route, i) => [
    ...(route.mirror === undefined ? [] : [toDestination(route.mirror, ['spec', 'http', i, 'mirror'])]),
    ...(route.mirrors ?? []).map(({ destination }, j) =>
      toDestination(destination, ['spec', 'http', i, 'mirrors', j, 'destination']),
    ),
  ])
  return [...toGateways(object, gateways), ...destinations, ...mirrors]
}

/** The service that the object itself is about. */
function toHost(host: string, hostPath: FieldPath, port?: number, portPath: FieldPath = hostPath): Reference {
  return { to: 'host', path: hostPath, host, hostPath, subset: undefined, port, portPath }
}

function toRedis({ host, port }: RedisRouteDestination, path: FieldPath): Reference {
  return toHost(host, [...path, 'host'], port, [...path, 'port'])
}

function ofRedisService(object: ObjectOf<'RedisService'>): Reference[] {
  const { host, redis = [], settings } = object.spec
  return [
    ...host.map((each, i) => toHost(each, ['spec', 'host', i])),
    ...toSecret(object, settings?.auth?.secret?.name, ['spec', 'settings', 'auth', 'secret', 'name']),
    ...redis.flatMap((route, i) => [
      toRedis(route.route, ['spec', 'redis', i, 'route']),
      ...(route.mirror ?? []).map((mirror, j) => toRedis(mirror.route, ['spec', 'redis', i, 'mirror', j, 'route'])),
    ]),
  ]
}

function ofRedisDestination(object: ObjectOf<'RedisDestination'>): Reference[] {
  const path = ['spec', 'trafficPolicy', 'connectionPool', 'redis', 'auth', 'secret', 'name']
  const { host, trafficPolicy } = object.spec
  const secret = trafficPolicy?.connectionPool?.redis?.auth?.secret?.name
  return [toHost(host, ['spec', 'host']), ...toSecret(object, secret, path)]
}

function toSecret(object: LoadedObject, name: string | undefined, path: FieldPath): Reference[] {
  const { namespace } = object.metadata
  return name === undefined ? [] : [{ to: 'object', path, kind: 'Secret', namespace, name }]
}
