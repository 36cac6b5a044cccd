/** Objects as the API server sends them: metadata that this package reads, and everything else as it is. */

export interface Metadata {
  readonly name: string
  /** Undefined for what belongs to no namespace. */
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  /** Counts changes of the spec; changes of the status leave it. */
  readonly generation?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly managedFields?: readonly ManagedFields[]
}

/** Who has written which fields. https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management */
export interface ManagedFields {
  readonly manager?: string
  readonly operation?: string
  readonly subresource?: string
  readonly fieldsV1?: unknown
}

export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Metadata
  readonly [field: string]: unknown
}

/** `namespace/name`, or the name alone of what belongs to no namespace: unique among the objects of one resource. */
export function objectKey({ metadata: { namespace, name } }: { readonly metadata: Metadata }): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`
}

/** True where this manager has written something of the object that is still there. */
export function isManagedBy({ metadata }: KubernetesObject, manager: string): boolean {
  return metadata.managedFields?.some((each) => each.manager === manager && each.subresource === undefined) === true
}
