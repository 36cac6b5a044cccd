/**
 * The ADS client's handler: what to ask the control plane for, and what to do with its answers.
 *
 * LDS and CDS are wildcard subscriptions; EDS and RDS ask for what the accepted clusters and listeners refer to, no
 * more. Of a response every good resource is applied; when some are refused, the last good ones of those stay in force
 * and the whole response is NACKed with all reasons (as Envoy does: the protocol can't refuse a part). That endpoints or
 * a route table are gone is no news: they go when nothing refers to them any more, as Envoy has it. Nothing is ever
 * removed because the control plane is away.
 */
import { fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { getLogger } from '@logtape/logtape'
import { AerakiError } from '@aeraki/api/errors'
import type { AdsClient, AdsHandler, ClientState, Update } from '@aeraki/xds'
import { ClusterSchema } from '@aeraki/xds/gen-lean/envoy/config/cluster/v3/cluster_pb.ts'
import { ClusterLoadAssignmentSchema } from '@aeraki/xds/gen-lean/envoy/config/endpoint/v3/endpoint_pb.ts'
import { ListenerSchema } from '@aeraki/xds/gen-lean/envoy/config/listener/v3/listener_pb.ts'
import { RouteConfigurationSchema } from '@aeraki/xds/gen-lean/envoy/config/route/v3/route_pb.ts'
import type { Configuration } from './configuration.ts'
import { clusterFromXds } from './from-cluster.ts'
import { endpointsFromXds } from './from-endpoints.ts'
import { listenerFromXds } from './from-listener.ts'
import { routeTableFromHttp } from './from-routes.ts'
import { Place } from './refusal.ts'
import type { ResourceKind, ResourceLog } from './resource-log.ts'

const prefix = 'type.googleapis.com/'
export const listenerType = prefix + ListenerSchema.typeName
export const clusterType = prefix + ClusterSchema.typeName
export const endpointsType = prefix + ClusterLoadAssignmentSchema.typeName
export const routesType = prefix + RouteConfigurationSchema.typeName

export interface SubscriptionOptions {
  readonly configuration: Configuration
  readonly resources: ResourceLog
  /** Which wildcard subscriptions to make. */
  readonly listeners: boolean
  readonly clusters: boolean
  /** For the log. */
  readonly controlPlane: string
}

type Changed = Update['changed'][number]

const log = getLogger(['aeraki', 'proxy', 'xds'])

export class Subscriptions implements AdsHandler {
  readonly #configuration: Configuration
  readonly #resources: ResourceLog
  readonly #options: SubscriptionOptions
  #client: AdsClient | undefined
  #asked: Record<'endpoints' | 'routes', ReadonlySet<string>> = { endpoints: new Set(), routes: new Set() }
  #answered = new Set<ResourceKind>()
  #onAnswer: (() => void) | undefined
  #everConnected = false

  constructor(options: SubscriptionOptions) {
    this.#configuration = options.configuration
    this.#resources = options.resources
    this.#options = options
  }

  /** CDS first: a server that answers in order has told the clusters by the time routes name them. */
  start(client: AdsClient): void {
    this.#client = client
    if (this.#options.clusters) client.subscribe(clusterType, '*')
    if (this.#options.listeners) client.subscribe(listenerType, '*')
    this.#subscribe()
  }

  get state(): ClientState | undefined {
    return this.#client?.state
  }

  /** The wildcard subscriptions have been answered once. */
  get initialised(): boolean {
    return (
      (!this.#options.clusters || this.#answered.has('cluster')) &&
      (!this.#options.listeners || this.#answered.has('listener'))
    )
  }

  /** Calls back, once, when `initialised` becomes true; at once if it is. */
  onInitialised(callback: () => void): void {
    this.#onAnswer = callback
    this.#checkInitialised()
  }

  async onUpdate(typeUrl: string, update: Update): Promise<void> {
    try {
      this.#onUpdate(typeUrl, update)
    } finally {
      // What is acknowledged is in force, in all workers.
      await this.#configuration.inForce()
    }
  }

  #onUpdate(typeUrl: string, update: Update): void {
    switch (typeUrl) {
      case clusterType:
        this.#take('cluster', ClusterSchema, update, (message, place, changed) => {
          sameName(changed.name, message.name, place)
          const converted = clusterFromXds(message, place)
          return () => this.#configuration.setCluster(message.name, converted)
        })
        for (const name of update.removed) this.#remove('cluster', name, () => this.#configuration.removeCluster(name))
        break
      case listenerType:
        this.#take('listener', ListenerSchema, update, (message, place, changed) => {
          sameName(changed.name, message.name, place)
          const converted = listenerFromXds(message, place)
          return () => this.#configuration.setListener(converted)
        })
        for (const name of update.removed)
          this.#remove('listener', name, () => this.#configuration.removeListener(name))
        break
      case endpointsType:
        this.#take('endpoints', ClusterLoadAssignmentSchema, update, (message, place, changed) => {
          sameName(changed.name, message.clusterName, place)
          const converted = endpointsFromXds(message, place)
          return () => this.#configuration.setEndpoints(converted)
        })
        break
      case routesType:
        this.#take('routes', RouteConfigurationSchema, update, (message, place, changed) => {
          sameName(changed.name, message.name, place)
          const converted = routeTableFromHttp(message, place)
          return () => this.#configuration.setRouteTable(converted)
        })
        break
      default:
        throw new AerakiError('PROXY_RESOURCE_UNSUPPORTED', `nobody asked for resources of type ${typeUrl}`)
    }
  }

  onState(state: ClientState): void {
    const controlPlane = this.#options.controlPlane
    switch (state.kind) {
      case 'connecting':
        log.debug('connecting to the control plane {controlPlane}', { controlPlane })
        break
      case 'connected':
        log.info(`${this.#everConnected ? 're' : ''}connected to the control plane {controlPlane}`, { controlPlane })
        this.#everConnected = true
        break
      case 'waiting':
        log.warn(
          'the control plane {controlPlane} is away ({reason}): serving on with the last configuration, next attempt in {retryInMs} ms',
          {
            controlPlane,
            ...state,
          },
        )
        break
      case 'closed':
        log.debug('closed the connection to the control plane {controlPlane}', { controlPlane })
    }
  }

  /** Applies what is good, throws the reasons of what is not. */
  #take<Desc extends DescMessage>(
    kind: ResourceKind,
    schema: Desc,
    update: Update,
    convert: (message: MessageShape<Desc>, place: Place, changed: Changed) => () => void,
  ): void {
    const reasons: string[] = []
    for (const changed of update.changed) {
      // An answer to a question that has been taken back meanwhile.
      if ((kind === 'endpoints' || kind === 'routes') && !this.#asked[kind].has(changed.name)) continue
      const known = this.#resources.get(kind, changed.name)?.accepted
      if (known?.source === 'dynamic' && sameBytes(known.any, changed.any)) {
        // The objects stay what they are; only the version may be a new one, and a refused one is forgotten.
        this.#resources.accept(kind, changed.name, { ...known, version: changed.version })
        continue
      }
      try {
        if (known?.source === 'static') {
          throw new Place(`${kind} "${changed.name}"`).invalid('is static in the bootstrap; give it another name')
        }
        this.#accept(kind, schema, changed, convert)
      } catch (error) {
        if (!(error instanceof AerakiError)) throw error
        reasons.push(error.message)
        this.#resources.refuse(kind, changed.name, { ...changed, details: error.message })
        log.error('refused by this proxy, the last good one stays: {reason}', {
          reason: error.message,
          code: error.code,
        })
      }
    }
    this.#answered.add(kind)
    queueMicrotask(() => this.#checkInitialised())
    // Only these name others. (Asking after each changed rule, too, took most of it where there are 10,000 services.)
    if (kind === 'cluster' || kind === 'listener') this.#subscribe()
    if (reasons.length > 0) this.#resources.updates[kind].rejected++
    else this.#resources.updates[kind].accepted++
    if (reasons.length > 0) throw new AerakiError('PROXY_RESOURCE_INVALID', reasons.join('; '))
    const version = update.changed.at(-1)?.version
    if (version !== undefined) this.#resources.versions[kind] = version
  }

  #accept<Desc extends DescMessage>(
    kind: ResourceKind,
    schema: Desc,
    changed: Changed,
    convert: (message: MessageShape<Desc>, place: Place, changed: Changed) => () => void,
  ): void {
    const place = new Place(`${kind} "${changed.name}"`)
    const apply = convert(decode(schema, changed.any, place), place, changed)
    apply()
    this.#resources.accept(kind, changed.name, { source: 'dynamic', version: changed.version, any: changed.any })
    for (const note of place.notes) log.debug('{kind} {name}: {note}', { kind, name: changed.name, note })
    log.debug('{kind} {name} version {version}', { kind, name: changed.name, version: changed.version })
  }

  #remove(kind: ResourceKind, name: string, apply: () => void): void {
    if (this.#resources.get(kind, name)?.accepted?.source === 'static') return
    apply()
    this.#resources.remove(kind, name)
    log.debug('{kind} {name} removed', { kind, name })
    this.#subscribe()
  }

  /** Asks for what is needed by now, if that has changed. */
  #subscribe(): void {
    const needs = this.#configuration.needs()
    this.#ask('endpoints', endpointsType, needs.endpoints)
    this.#ask('routes', routesType, needs.routeTables)
  }

  #ask(kind: 'endpoints' | 'routes', typeUrl: string, needed: ReadonlySet<string>): void {
    const asked = this.#asked[kind]
    if (asked.size === needed.size && [...needed].every((name) => asked.has(name))) return
    this.#asked[kind] = needed
    this.#client?.subscribe(typeUrl, [...needed].sort())
    for (const { name, accepted } of this.#resources.all(kind)) {
      if (accepted?.source !== 'static' && !needed.has(name)) this.#resources.remove(kind, name)
    }
  }

  #checkInitialised(): void {
    if (!this.initialised) return
    this.#onAnswer?.()
    this.#onAnswer = undefined
  }
}

function decode<Desc extends DescMessage>(schema: Desc, any: Any, place: Place): MessageShape<Desc> {
  if (!any.typeUrl.endsWith(`/${schema.typeName}`)) throw place.invalid(`is a ${any.typeUrl}, not a ${schema.typeName}`)
  try {
    return fromBinary(schema, any.value, { readUnknownFields: false })
  } catch (cause) {
    throw place.invalid(`does not parse: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}

function sameName(announced: string, inside: string, place: Place): void {
  if (announced !== inside) throw place.invalid(`names itself "${inside}" inside; the names must be equal`)
}

function sameBytes(a: Any, b: Any): boolean {
  return a === b || (a.typeUrl === b.typeUrl && Buffer.compare(a.value, b.value) === 0)
}
