/** An object that passed validation: the currency between sources, store and mesh model. */
import type { Position } from './diagnostic.ts'
import type { FieldPath } from './field-path.ts'
import type { Kind, Specs } from './kinds.ts'

export interface ObjectMeta {
  readonly name: string
  /** `default` where none is given; empty for cluster-scoped kinds. */
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Where a Kubernetes API server gave them. */
  readonly resourceVersion?: string
  readonly creationTimestamp?: string
}

export interface ObjectOf<K extends Kind> {
  readonly kind: K
  /** As written. All served versions of a kind have one type of spec. */
  readonly apiVersion: string
  readonly metadata: ObjectMeta
  readonly spec: Specs[K]
  /** Where the object begins. */
  readonly source: Position
  /**
   * Set where the object was written as another one, the early `networking.aeraki.io` VirtualService, of the same
   * namespace: errors in its form name that one.
   */
  readonly convertedFrom?: { readonly apiVersion: string; readonly kind: string; readonly name: string }
  /**
   * Where a field stands, such as `spec.http[0].route[1].weight`; for one that is not written, the nearest one around it.
   * Reads the text again, so it is for messages, not for hot paths.
   */
  positionOf(field: string | FieldPath): Position
}

/** Discriminated by `kind`. */
export type LoadedObject = { [K in Kind]: ObjectOf<K> }[Kind]

export function isKind<K extends Kind>(object: LoadedObject, kind: K): object is Extract<LoadedObject, { kind: K }> {
  return object.kind === kind
}

/** `kind/namespace/name`: unique in a set. */
export function keyOf(object: { kind: string; metadata: { namespace: string; name: string } }): string {
  return `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`
}
