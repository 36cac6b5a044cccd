/**
 * Forms that are read although they are not quite right: they are what people write after the project's own talk, whose
 * YAML lost some of its indentation. Each gives a warning API_LENIENT_FORM with what was understood and how to write it
 * properly. Nothing else is forgiven: every other unknown field is an error.
 *
 *   DestinationRule  1. `labels:` of a subset empty, the labels beside it    -> labels
 *                    2. `outlierDetection:` beside `trafficPolicy:`          -> trafficPolicy.outlierDetection
 *   VirtualService   3. `headers:` of an http match empty, the headers beside it -> headers
 *                    4. a list of routes of an unknown protocol (`awesomeRPC:`)  -> left out (API_UNKNOWN_ROUTE_LIST)
 *   EnvoyFilter      5. `filterChain:` beside `match:`                       -> match.listener.filterChain
 *                    6. `@listener:` in a patch, where `cluster:` is meant   -> cluster
 *
 * The early form has one more of its own, in early-form.ts.
 */
import type { FieldPath } from '../field-path.ts'
import { isRecord, recordsIn } from '../guards.ts'
import type { Kind } from '../kinds.ts'
import { nearest } from '../names/nearest.ts'
import { HttpMatchRequest, VirtualService } from '../schema/virtual-service.ts'
import type { Report } from './report.ts'

/** Rewrites the body in place. Findings reported later still point to what was written. */
export function applyLeniencies(kind: Kind, body: Record<string, unknown>, path: FieldPath, report: Report): void {
  if (kind === 'DestinationRule') {
    liftSubsetLabels(body, path, report)
    lowerOutlierDetection(body, path, report)
  } else if (kind === 'VirtualService') {
    liftHeaders(body, path, report)
    leaveOutUnknownRouteLists(body, path, report)
  } else if (kind === 'EnvoyFilter') {
    lowerFilterChain(body, path, report)
    renameListenerToCluster(body, path, report)
  }
}

/** Moves what is at body[from] to target[to]; both paths are relative to the object. */
export function move(
  from: { record: Record<string, unknown>; key: string; path: FieldPath },
  to: { record: Record<string, unknown>; key: string; path: FieldPath },
  report: Report,
): void {
  to.record[to.key] = from.record[from.key]
  delete from.record[from.key]
  report.moved([...to.path, to.key], [...from.path, from.key])
}

function liftSubsetLabels(body: Record<string, unknown>, path: FieldPath, report: Report): void {
  for (const [i, subset] of recordsIn(body['subsets'])) {
    if (subset['labels'] !== null) continue
    const at = [...path, 'subsets', i]
    const stray = Object.keys(subset).filter(
      (key) => !['name', 'labels', 'trafficPolicy'].includes(key) && typeof subset[key] === 'string',
    )
    if (stray.length === 0) continue
    report.warn({
      code: 'API_LENIENT_FORM',
      path: [...at, stray[0] ?? ''],
      at: 'key',
      message: `labels is empty, so ${quoted(stray)} beside it is read as a label of the subset`,
      remedy: `Indent ${quoted(stray)} deeper than labels.`,
    })
    const labels: Record<string, unknown> = {}
    subset['labels'] = labels
    for (const key of stray) {
      move({ record: subset, key, path: at }, { record: labels, key, path: [...at, 'labels'] }, report)
    }
  }
}

function lowerOutlierDetection(body: Record<string, unknown>, path: FieldPath, report: Report): void {
  const policy = body['trafficPolicy'] ?? {}
  if (!isRecord(body['outlierDetection']) || !isRecord(policy) || 'outlierDetection' in policy) return
  report.warn({
    code: 'API_LENIENT_FORM',
    path: [...path, 'outlierDetection'],
    at: 'key',
    message: 'outlierDetection beside trafficPolicy is read as a part of it',
    remedy: 'Indent outlierDetection under trafficPolicy.',
  })
  body['trafficPolicy'] = policy
  move(
    { record: body, key: 'outlierDetection', path },
    { record: policy, key: 'outlierDetection', path: [...path, 'trafficPolicy'] },
    report,
  )
}

const matchFields = Object.keys(HttpMatchRequest.properties)

function liftHeaders(body: Record<string, unknown>, path: FieldPath, report: Report): void {
  for (const [i, route] of recordsIn(body['http'])) {
    for (const [j, match] of recordsIn(route['match'])) {
      if (match['headers'] !== null) continue
      const at = [...path, 'http', i, 'match', j]
      const stray = Object.keys(match).filter((key) => !matchFields.includes(key) && isCondition(match[key]))
      if (stray.length === 0) continue
      report.warn({
        code: 'API_LENIENT_FORM',
        path: [...at, stray[0] ?? ''],
        at: 'key',
        message: `headers is empty, so ${quoted(stray)} beside it is read as a header to match`,
        remedy: `Indent ${quoted(stray)} deeper than headers.`,
      })
      const headers: Record<string, unknown> = {}
      match['headers'] = headers
      for (const key of stray) {
        move({ record: match, key, path: at }, { record: headers, key, path: [...at, 'headers'] }, report)
      }
    }
  }
}

export function isCondition(value: unknown): boolean {
  return isRecord(value) && Object.keys(value).every((key) => ['exact', 'prefix', 'regex'].includes(key))
}

const virtualServiceFields = Object.keys(VirtualService.properties)

function leaveOutUnknownRouteLists(body: Record<string, unknown>, path: FieldPath, report: Report): void {
  for (const [key, value] of Object.entries(body)) {
    if (virtualServiceFields.includes(key) || nearest(key, virtualServiceFields) !== undefined) continue
    const routes = recordsIn(value)
    if (routes.length === 0 || !routes.every(([, route]) => 'route' in route)) continue
    report.warn({
      code: 'API_UNKNOWN_ROUTE_LIST',
      path: [...path, key],
      at: 'key',
      message: `a VirtualService has no routes for ${key}: only http, tls and tcp; they are left out`,
      remedy: `Write a MetaRouter (metaprotocol.aeraki.io/v1alpha1) with these routes, and name the port of the service tcp-metaprotocol-${key.toLowerCase()}.`,
    })
    delete body[key]
    // So that the absence of other routes is not reported as well.
    body['http'] ??= []
  }
}

function lowerFilterChain(body: Record<string, unknown>, path: FieldPath, report: Report): void {
  for (const [i, patch] of recordsIn(body['configPatches'])) {
    if (!isRecord(patch['filterChain'])) continue
    const at = [...path, 'configPatches', i]
    const match = patch['match'] ?? {}
    if (!isRecord(match)) continue
    const listener = match['listener'] ?? {}
    if (!isRecord(listener) || 'filterChain' in listener) continue
    report.warn({
      code: 'API_LENIENT_FORM',
      path: [...at, 'filterChain'],
      at: 'key',
      message: 'filterChain beside match is read as a part of match.listener',
      remedy: 'Indent filterChain under match.listener.',
    })
    patch['match'] = match
    match['listener'] = listener
    move(
      { record: patch, key: 'filterChain', path: at },
      { record: listener, key: 'filterChain', path: [...at, 'match', 'listener'] },
      report,
    )
  }
}

function renameListenerToCluster(value: unknown, path: FieldPath, report: Report): void {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) renameListenerToCluster(item, [...path, i], report)
    return
  }
  if (!isRecord(value)) return
  if (typeof value['@listener'] === 'string' && !('cluster' in value)) {
    report.warn({
      code: 'API_LENIENT_FORM',
      path: [...path, '@listener'],
      at: 'key',
      message: '@listener is read as cluster: a route leads to a cluster',
      remedy: 'Write cluster.',
      value: value['@listener'],
    })
    move({ record: value, key: '@listener', path }, { record: value, key: 'cluster', path }, report)
  }
  for (const [key, each] of Object.entries(value)) renameListenerToCluster(each, [...path, key], report)
}

function quoted(keys: readonly string[]): string {
  return keys.map((key) => `"${key}"`).join(' and ')
}
