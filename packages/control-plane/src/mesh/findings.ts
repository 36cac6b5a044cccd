/** What the mesh model has to say about objects that are valid in themselves. */
import type { Diagnostic, LoadedObject } from '@aeraki/api'
import type { Origin, Visibility } from './model.ts'

export interface Finding {
  readonly severity: 'error' | 'warning'
  readonly code: string
  readonly field: string
  readonly value?: unknown
  readonly message: string
  readonly remedy: string
  /** Only there, where the control plane serves everything itself: under Istio the field is Istio's business. */
  readonly standalone?: true
}

/** Says something about an object. Where it stands is looked up when somebody reads it: objects move in their files. */
export interface Report {
  readonly about: Origin
  readonly finding: Finding
}

/** Collects findings about one object. */
export interface Reporter {
  report(finding: Finding): void
}

export function createReporter(object: LoadedObject): Reporter & { readonly reports: readonly Report[] } {
  const reports: Report[] = []
  const about = originOf(object)
  return {
    reports,
    report(finding) {
      reports.push({ about, finding })
    },
  }
}

/** The same for equal reports. */
export function reportId({ about, finding }: Report): string {
  return [about.id, finding.code, finding.field, String(finding.value), finding.message].join('|')
}

export function diagnosticOf(object: LoadedObject, finding: Finding): Diagnostic {
  const { kind, metadata } = object
  return {
    ...object.positionOf(finding.field),
    severity: finding.severity,
    code: finding.code,
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    field: finding.field,
    value: finding.value,
    message: finding.message,
    remedy: finding.remedy,
  }
}

export function originOf({ kind, metadata: { namespace, name } }: LoadedObject): Origin {
  return { id: `${kind} ${namespace}/${name}`, kind, namespace, name }
}

/** Older objects first where their age is known; else by namespace and name. */
export function compareAge(a: LoadedObject, b: LoadedObject): number {
  const ageA = [a.metadata.creationTimestamp ?? '', a.metadata.namespace, a.metadata.name]
  const ageB = [b.metadata.creationTimestamp ?? '', b.metadata.namespace, b.metadata.name]
  for (const [index, part] of ageA.entries()) {
    const other = ageB[index] ?? ''
    if (part !== other) return part < other ? -1 : 1
  }
  return 0
}

/** `.` is the object's own namespace, `*` every one, `~` none. */
export function visibilityOf(exportTo: readonly string[] | undefined, namespace: string): Visibility {
  if (exportTo === undefined || exportTo.length === 0 || exportTo.includes('*')) return { kind: 'everyone' }
  const namespaces = exportTo.filter((entry) => entry !== '~').map((entry) => (entry === '.' ? namespace : entry))
  return { kind: 'namespaces', namespaces: new Set(namespaces) }
}
