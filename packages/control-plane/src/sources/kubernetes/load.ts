/**
 * An object of the API server as a checked one. Istio's kinds belong to Istio, which may be newer than we are: a field
 * that we don't know is passed over with a warning there, and is an error in our own kinds.
 */
import { type Diagnostic, type LoadResult, loadValue, parsePath } from '@aeraki/api'
import type { KubernetesObject } from '@aeraki/kubernetes'
import { placeOf } from './place.ts'

export function loadObject(object: KubernetesObject): LoadResult {
  const origin = placeOf(object).file
  const result = loadValue(object, origin)
  if (!object.apiVersion.startsWith('networking.istio.io/')) return result
  const unknown = result.diagnostics.filter(({ code, field }) => code === 'API_UNKNOWN_FIELD' && field !== '')
  if (unknown.length === 0) return result
  const pruned = structuredClone(object)
  for (const { field } of unknown) remove(pruned, parsePath(field))
  const again = loadValue(pruned, origin)
  return { objects: again.objects, diagnostics: [...unknown.map(asWarning), ...again.diagnostics] }
}

function asWarning(diagnostic: Diagnostic): Diagnostic {
  const remedy = 'It is passed over. If Istio does not know it either, remove it.'
  return { ...diagnostic, severity: 'warning', remedy }
}

function remove(value: unknown, path: readonly (string | number)[]): void {
  let at: unknown = value
  for (const step of path.slice(0, -1)) {
    if (typeof at !== 'object' || at === null) return
    at = (at as Record<string | number, unknown>)[step]
  }
  const last = path.at(-1)
  if (typeof at === 'object' && at !== null && last !== undefined) delete (at as Record<string | number, unknown>)[last]
}
