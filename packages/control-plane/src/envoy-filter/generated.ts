/**
 * The EnvoyFilters (and VirtualServices of gateways) of the mesh, kept up to date: what changed in the mesh recomputes the
 * services and gateways that it touches, and only objects whose bytes are others than before are told.
 */
import { contentVersion } from '@aeraki/xds'
import { createDependencies } from '../mesh/dependencies.ts'
import type { Report } from '../mesh/findings.ts'
import type { MeshChange } from '../mesh/mesh.ts'
import { contestFindings, patchedListeners } from './contests.ts'
import { type GeneratedObject, sortKeyOf } from './object.ts'
import { buildGatewayFilters } from './gateway.ts'
import { type BuildContext, type Built, buildServiceFilters, type EnvoyContext } from './service.ts'

export interface GeneratedObjects {
  /** After each change of the mesh. */
  publish(change: MeshChange): ObjectChanges
  /** In the order of kind, namespace and name. */
  objects(): readonly WrittenObject[]
  /** Those that a service has; of an object that two services claim, only the first's. */
  ofService(key: string): readonly WrittenObject[]
  reports(): readonly Report[]
  /** Services and gateways that were translated since the start. */
  readonly recomputed: number
  /** Objects that were told as changed or gone since the start. */
  readonly rewritten: number
}

export interface WrittenObject {
  readonly object: GeneratedObject
  /** Compact JSON. */
  readonly text: string
  /** Of `text`. */
  readonly version: string
}

export interface ObjectChanges {
  readonly changed: readonly WrittenObject[]
  readonly removed: readonly GeneratedObject[]
}

/** `service <key>` or `gateway <namespace>/<name>`. */
export type Unit = string

export function createGeneratedObjects(options: EnvoyContext): GeneratedObjects {
  const context: BuildContext = { ...options, lastSecrets: new Map() }
  const { mesh } = context
  const built = new Map<Unit, Built>()
  const dependencies = createDependencies<Unit>()
  /** Who wants to write an object, by its place. */
  const claims = new Map<string, Map<Unit, WrittenObject>>()
  const current = new Map<string, WrittenObject>()
  /** Who patches a listener of clients. */
  const listeners = new Map<string, Set<Unit>>()
  let recomputed = 0
  let rewritten = 0

  function rebuild(unit: Unit, touched: Set<string>): void {
    for (const object of built.get(unit)?.objects ?? []) {
      const place = sortKeyOf(object)
      const claimants = claims.get(place)
      claimants?.delete(unit)
      if (claimants?.size === 0) claims.delete(place)
      touched.add(place)
      for (const listener of patchedListeners(object)) {
        const patching = listeners.get(listener)
        patching?.delete(unit)
        if (patching?.size === 0) listeners.delete(listener)
      }
    }
    const result = build(unit, context)
    recomputed += 1
    if (result === undefined) {
      built.delete(unit)
      dependencies.forget(unit)
      return
    }
    built.set(unit, result)
    dependencies.record(unit, result.facts)
    for (const object of result.objects) {
      const place = sortKeyOf(object)
      const text = JSON.stringify(object)
      const claimants = claims.get(place) ?? new Map<Unit, WrittenObject>()
      claims.set(place, claimants.set(unit, { object, text, version: contentVersion(Buffer.from(text)) }))
      touched.add(place)
      for (const listener of patchedListeners(object)) {
        listeners.set(listener, (listeners.get(listener) ?? new Set()).add(unit))
      }
    }
  }

  function winner(place: string): WrittenObject | undefined {
    const claimants = claims.get(place)
    if (claimants === undefined) return undefined
    const [first] = claimants.size === 1 ? claimants.keys() : [...claimants.keys()].toSorted()
    return first === undefined ? undefined : claimants.get(first)
  }

  return {
    publish(change) {
      const units = new Set<Unit>(change.services.flatMap(({ before, after }) => `service ${(after ?? before)?.key}`))
      const facts = new Set(change.facts)
      for (const { before, after } of change.services) facts.add(`built:${(after ?? before)?.key}`)
      for (const fact of facts) {
        if (fact.startsWith('gateway:')) units.add(`gateway ${fact.slice('gateway:'.length)}`)
        for (const unit of dependencies.readersOf(fact)) units.add(unit)
      }
      const touched = new Set<string>()
      for (const unit of [...units].toSorted()) rebuild(unit, touched)

      const changed: WrittenObject[] = []
      const removed: GeneratedObject[] = []
      for (const place of [...touched].toSorted()) {
        const before = current.get(place)
        const after = winner(place)
        if (before?.version === after?.version) continue
        rewritten += 1
        if (after === undefined) {
          current.delete(place)
          if (before !== undefined) removed.push(before.object)
        } else {
          current.set(place, after)
          changed.push(after)
        }
      }
      return { changed, removed }
    },
    objects: () => [...current].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object),
    ofService: (key) =>
      (built.get(`service ${key}`)?.objects ?? []).flatMap((object) => {
        const written = current.get(sortKeyOf(object))
        return written?.object === object ? [written] : []
      }),
    reports: () => [
      ...[...built.values()].flatMap(({ reports }) => reports),
      ...contestFindings({ claims, listeners, mesh }),
    ],
    get recomputed() {
      return recomputed
    },
    get rewritten() {
      return rewritten
    },
  }
}

/** Undefined: it is there no more. */
function build(unit: Unit, context: BuildContext): Built | undefined {
  const { mesh } = context
  const name = unit.slice(unit.indexOf(' ') + 1)
  if (unit.startsWith('service ')) {
    const service = mesh.service(name)
    return service === undefined ? undefined : buildServiceFilters(service, context)
  }
  const slash = name.indexOf('/')
  const gateway = mesh.inputs.objectOf('Gateway', name.slice(0, slash), name.slice(slash + 1))
  return gateway?.kind === 'Gateway' ? buildGatewayFilters(gateway, context) : undefined
}
