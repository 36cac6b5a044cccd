/**
 * Small builders over TypeBox. One schema is the source of the TypeScript type, of the validation and, for Aeraki's own
 * kinds, of the CRD manifest. Every object is closed, so an unknown field is an error; the CRD generator opens them again
 * because a Kubernetes structural schema prunes instead.
 */
import { type Static, type TProperties, type TSchema, Type } from 'typebox'

/** An object that allows exactly these fields. */
export function closed<P extends TProperties>(properties: P, options: { description?: string } = {}) {
  return Type.Object(properties, { additionalProperties: false, ...options })
}

/** A string out of a fixed list, as protobuf enums are written in YAML. */
export function oneOf<const V extends readonly string[]>(values: V, options: { description?: string } = {}) {
  return Type.Unsafe<V[number]>({ type: 'string', enum: [...values], ...options })
}

/** A map with free keys. */
export function mapOf<S extends TSchema>(value: S, options: { description?: string } = {}) {
  return Type.Unsafe<Record<string, Static<S>>>({ type: 'object', additionalProperties: value, ...options })
}

/** Go's duration notation, such as `100ms` or `1h30m`; see names/duration.ts. */
export function duration(options: { description?: string } = {}) {
  return Type.String({ format: 'duration', ...options })
}

export function strings(options: { description?: string; minItems?: number } = {}) {
  return Type.Array(Type.String(), options)
}

/** protobuf's uint32. */
export function uint32(options: { description?: string; minimum?: number; maximum?: number } = {}) {
  return Type.Integer({ minimum: 0, maximum: 4_294_967_295, ...options })
}

/** protobuf's int32. */
export function int32(options: { description?: string; minimum?: number; maximum?: number } = {}) {
  return Type.Integer({ minimum: -2_147_483_648, maximum: 2_147_483_647, ...options })
}

export function portNumber(options: { description?: string } = {}) {
  return Type.Integer({ minimum: 1, maximum: 65_535, ...options })
}

/** Any JSON object, kept as it is. */
export function freeForm(options: { description?: string } = {}) {
  return Type.Unsafe<Record<string, unknown>>({ type: 'object', ...options })
}

/** `{value: 12.5}`, a percentage from 0 to 100. */
export const Percent = closed({ value: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })) })
export type Percent = Static<typeof Percent>

/** At most one of the three. Without any: a header of a VirtualService has to be there; an attribute of a MetaRouter is free. */
export const StringMatch = closed({
  exact: Type.Optional(Type.String()),
  prefix: Type.Optional(Type.String()),
  regex: Type.Optional(Type.String({ description: 'RE2 syntax; the whole value has to match.' })),
})
export type StringMatch = Static<typeof StringMatch>

export const Destination = closed({
  host: Type.String({ description: 'Host of the service, as in its ServiceEntry.' }),
  subset: Type.Optional(Type.String({ description: 'Name of a subset of the DestinationRule of the host.' })),
  port: Type.Optional(closed({ number: portNumber() })),
})
export type Destination = Static<typeof Destination>

export const LabelSelector = closed({ labels: Type.Optional(mapOf(Type.String())) })
export type LabelSelector = Static<typeof LabelSelector>
