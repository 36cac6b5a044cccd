/** Files and folders -> what would be written to a cluster, once and without a server. */
import { type Diagnostic, loadPaths, type LoadResult } from '@aeraki/api'
import { isForIstio } from './mesh/for-istio.ts'
import { createMesh } from './mesh/mesh.ts'
import type { IstioDelivery } from './envoy-filter/delivery.ts'
import { createGeneratedObjects, type WrittenObject } from './envoy-filter/generated.ts'
import { createVipAllocator } from './vip/allocator.ts'

export interface Generation {
  /** In the order of kind, namespace and name. */
  readonly objects: readonly WrittenObject[]
  /** Of loading, of rules that lead to nothing, and of what Envoy can't do; in the order of their places. */
  readonly diagnostics: readonly Diagnostic[]
}

export interface GenerationOptions {
  /** Where objects for everyone are written. Default `istio-system`. */
  readonly rootNamespace?: string | undefined
  /** Of the names of Kubernetes services. Default `cluster.local`. */
  readonly clusterDomain?: string | undefined
  /** How routes come to the sidecars. Default: inline. */
  readonly istioDelivery?: IstioDelivery | undefined
}

/** @throws AerakiError API_UNREADABLE where a path cannot be read */
export function generate(paths: readonly string[], options: GenerationOptions = {}): Generation {
  return generateFrom(loadPaths(paths), options)
}

/** What is broken is reported and left out. */
export function generateFrom({ objects, diagnostics }: LoadResult, options: GenerationOptions = {}): Generation {
  const { rootNamespace = 'istio-system', istioDelivery = { kind: 'inline' } } = options
  const mesh = createMesh(createVipAllocator(), rootNamespace, options.clusterDomain)
  const change = mesh.apply(objects.map((object) => ({ kind: 'put', object })))
  const filters = createGeneratedObjects({ mesh, rootNamespace, allocatedAddresses: false, delivery: istioDelivery })
  filters.publish(change)
  const reports = [...mesh.reports().filter(isForIstio(mesh)), ...filters.reports()]
  const found = [...diagnostics, ...reports.flatMap((report) => mesh.diagnosticOf(report))]
  return { objects: filters.objects(), diagnostics: found.toSorted(byPlace) }
}

function byPlace(a: Diagnostic, b: Diagnostic): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1
  return a.line - b.line || a.column - b.column
}
