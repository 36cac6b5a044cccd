/** Services that want the same EnvoyFilter, or the same listener: the first of them has it. */
import { originOf, type Report } from '../mesh/findings.ts'
import type { Mesh } from '../mesh/mesh.ts'
import type { Unit, WrittenObject } from './generated.ts'
import type { GeneratedObject } from './object.ts'

export interface Contests {
  /** Who wants to write an object, by its place. */
  readonly claims: ReadonlyMap<string, ReadonlyMap<Unit, WrittenObject>>
  /** Who patches a listener, by `patchedListeners`. */
  readonly listeners: ReadonlyMap<string, ReadonlySet<Unit>>
  readonly mesh: Mesh
}

export function contestFindings({ claims, listeners, mesh }: Contests): Report[] {
  return [
    ...[...claims.values()].flatMap((claimants) => sameObject(claimants, mesh)),
    ...[...listeners].flatMap(([listener, units]) => (units.size > 1 ? sameListener(listener, units, mesh) : [])),
  ]
}

/** `<namespace> <listener>`, of an EnvoyFilter that is for the clients of a service. */
export function patchedListeners(object: GeneratedObject): string[] {
  if (object.kind !== 'EnvoyFilter' || object.spec.workloadSelector !== undefined) return []
  const names = (object.spec.configPatches ?? []).flatMap(({ match }) => match?.listener?.name ?? [])
  return [...new Set(names)].map((name) => `${object.metadata.namespace} ${name}`)
}

/** One host and address in two namespaces. */
function sameObject(claimants: ReadonlyMap<Unit, WrittenObject>, mesh: Mesh): Report[] {
  if (claimants.size < 2) return []
  const [first = '', ...others] = [...claimants.keys()].toSorted()
  return others.flatMap((unit) => {
    const written = claimants.get(unit)
    if (written === undefined || written.text === claimants.get(first)?.text) return []
    return contest(unit, mesh, {
      field: 'spec.hosts',
      value: written.object.metadata.name,
      message: `${first} has an EnvoyFilter of this name already: this one's is not written`,
      remedy: 'keep one ServiceEntry for the host and address',
    })
  })
}

/** One address and port of two hosts. */
function sameListener(listener: string, units: ReadonlySet<Unit>, mesh: Mesh): Report[] {
  const [first = '', ...others] = [...units].toSorted()
  const host = hostOf(first, mesh)
  return others.flatMap((unit) =>
    hostOf(unit, mesh) === host
      ? []
      : contest(unit, mesh, {
          field: 'spec.addresses',
          value: listener.slice(listener.indexOf(' ') + 1),
          message: `${first} has this address and port already: clients that call it reach that one, or either`,
          remedy: 'give each of them an address of its own',
        }),
  )
}

type Text = Pick<Report['finding'], 'field' | 'value' | 'message' | 'remedy'>

function contest(unit: Unit, mesh: Mesh, text: Text): Report[] {
  const entry = mesh.entryOf(keyOf(unit))
  if (entry === undefined) return []
  return [{ about: originOf(entry), finding: { severity: 'warning', code: 'ENVOY_CONTESTED', ...text } }]
}

function hostOf(unit: Unit, mesh: Mesh): string | undefined {
  return mesh.service(keyOf(unit))?.host
}

function keyOf(unit: Unit): string {
  return unit.slice(unit.indexOf(' ') + 1)
}
