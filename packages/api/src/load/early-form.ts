/**
 * The early form of a MetaRouter, from the talk that started the project: networking.aeraki.io/v1alpha1 VirtualService.
 *
 *     host: [a]                              -> hosts: [a]; of several hosts, one MetaRouter each (name, name-2, ...)
 *     protocol: dubbo                        -> annotation aeraki.io/protocol (a MetaRouter takes it from the port)
 *     Route: (or `route`)                    -> routes
 *       match: [{property: {key, value}}]    -> match.attributes; entries of a list are alternatives, as in Istio, so
 *                                               each becomes a route of its own
 *       headers.request.set: {k: v}          -> requestMutation: [{key, value}]; response likewise
 *       destination: {...}                   -> route: [{destination}]
 *
 * In the talk `key` and `value` stand beside an empty `property:`; that is read as well.
 */
import { type Static, Type } from 'typebox'
import type { FieldPath } from '../field-path.ts'
import { isRecord, recordsIn } from '../guards.ts'
import { closed, Destination, mapOf, StringMatch, strings } from '../schema/builders.ts'
import { checkSchema } from '../validate/schema.ts'
import { dropEmptyFields } from './empty-fields.ts'
import { move } from './leniency.ts'
import type { Move } from './locator.ts'
import type { Report } from './report.ts'

export const earlyGroup = 'networking.aeraki.io'

/** The protocol that the early form named. */
export const protocolAnnotation = 'aeraki.io/protocol'

const Mutation = closed({ set: Type.Optional(mapOf(Type.String())) })
const EarlyRoute = closed({
  name: Type.Optional(Type.String()),
  match: Type.Optional(Type.Array(closed({ property: closed({ key: Type.String(), value: StringMatch }) }))),
  headers: Type.Optional(closed({ request: Type.Optional(Mutation), response: Type.Optional(Mutation) })),
  destination: Destination,
})
type EarlyRoute = Static<typeof EarlyRoute>

const EarlyVirtualService = closed({
  host: strings({ minItems: 1 }),
  protocol: Type.Optional(Type.String()),
  Route: Type.Optional(Type.Array(EarlyRoute)),
})
type EarlyVirtualService = Static<typeof EarlyVirtualService>

export interface ConvertedObject {
  readonly value: Record<string, unknown>
  readonly moves: readonly Move[]
}

export function isEarlyVirtualService(value: Record<string, unknown>): boolean {
  return value['apiVersion'] === `${earlyGroup}/v1alpha1` && value['kind'] === 'VirtualService'
}

/** Nothing where the form itself has errors. The value is rewritten on the way. */
export function convertEarlyVirtualService(value: Record<string, unknown>, report: Report): ConvertedObject[] {
  const spec = value['spec']
  report.warn({
    code: 'API_EARLY_FORM',
    path: ['apiVersion'],
    message: 'this early form is read as a MetaRouter',
    value: value['apiVersion'],
    remedy: 'Write a MetaRouter (metaprotocol.aeraki.io/v1alpha1).',
  })
  if (isRecord(spec)) {
    if ('route' in spec && !('Route' in spec)) {
      move({ record: spec, key: 'route', path: ['spec'] }, { record: spec, key: 'Route', path: ['spec'] }, report)
    }
    for (const [i, route] of recordsIn(spec['Route'])) lowerProperties(route, ['spec', 'Route', i], report)
  }
  const shape = { kind: 'VirtualService', schema: EarlyVirtualService } as const
  if (isRecord(spec)) dropEmptyFields(spec, shape, ['spec'], report)
  if (!checkSchema(shape, spec ?? null, ['spec'], report) || report.failed) return []
  const early = spec as EarlyVirtualService
  const metadata = isRecord(value['metadata']) ? value['metadata'] : {}
  return early.host.map((host, i) => convertHost(early, host, i, metadata))
}

function lowerProperties(route: Record<string, unknown>, path: FieldPath, report: Report): void {
  for (const [i, match] of recordsIn(route['match'])) {
    if (match['property'] !== null || typeof match['key'] !== 'string') continue
    const at = [...path, 'match', i]
    report.warn({
      code: 'API_LENIENT_FORM',
      path: [...at, 'key'],
      at: 'key',
      message: 'property is empty, so key and value beside it are read as its own',
      remedy: 'Indent key and value deeper than property.',
    })
    const property: Record<string, unknown> = {}
    match['property'] = property
    for (const key of ['key', 'value']) {
      if (key in match)
        move({ record: match, key, path: at }, { record: property, key, path: [...at, 'property'] }, report)
    }
  }
}

function convertHost(
  early: EarlyVirtualService,
  host: string,
  index: number,
  metadata: Record<string, unknown>,
): ConvertedObject {
  const moves: Move[] = [{ read: ['spec', 'hosts', 0], written: ['spec', 'host', index] }]
  const routes = (early.Route ?? []).flatMap((route, i) =>
    (route.match ?? [undefined]).map((match, j) => ({ route, match, written: ['spec', 'Route', i] as const, j })),
  )
  const converted = routes.map(({ route, match, written, j }, i) => {
    const read = ['spec', 'routes', i]
    moves.push({ read, written })
    moves.push({ read: [...read, 'route', 0, 'destination'], written: [...written, 'destination'] })
    if (match !== undefined) {
      const attribute = [...read, 'match', 'attributes', match.property.key]
      moves.push({ read: attribute, written: [...written, 'match', j, 'property', 'value'] })
    }
    return {
      ...(route.name === undefined ? {} : { name: route.name }),
      ...(match === undefined ? {} : { match: { attributes: { [match.property.key]: match.property.value } } }),
      route: [{ destination: route.destination }],
      ...mutation(route, 'request', read, written, moves),
      ...mutation(route, 'response', read, written, moves),
    }
  })
  const annotations = isRecord(metadata['annotations']) ? metadata['annotations'] : {}
  const name = index === 0 ? metadata['name'] : `${String(metadata['name'])}-${index + 1}`
  const protocol = early.protocol === undefined ? {} : { [protocolAnnotation]: early.protocol }
  const value = {
    apiVersion: 'metaprotocol.aeraki.io/v1alpha1',
    kind: 'MetaRouter',
    metadata: { ...metadata, name, annotations: { ...annotations, ...protocol } },
    spec: { hosts: [host], routes: converted },
  }
  return { value, moves }
}

function mutation(
  route: EarlyRoute,
  side: 'request' | 'response',
  read: FieldPath,
  written: FieldPath,
  moves: Move[],
): Record<string, { key: string; value: string }[]> {
  const entries = Object.entries(route.headers?.[side]?.set ?? {})
  if (entries.length === 0) return {}
  const field = `${side}Mutation`
  for (const [i, [key]] of entries.entries()) {
    moves.push({ read: [...read, field, i], written: [...written, 'headers', side, 'set', key] })
    moves.push({ read: [...read, field, i, 'value'], written: [...written, 'headers', side, 'set', key] })
  }
  return { [field]: entries.map(([key, value]) => ({ key, value })) }
}
