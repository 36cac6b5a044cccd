/** Typed messages as the proto3 JSON of a `NetworkFilter`. */
import {
  create,
  type DescMessage,
  fromJson,
  type JsonObject,
  type MessageInitShape,
  type Registry,
  toBinary,
  toJson,
} from '@bufbuild/protobuf'
import { type Any, AnySchema, type Duration, DurationSchema } from '@bufbuild/protobuf/wkt'
import { type ConfigSource, ConfigSourceSchema } from '@aeraki/xds/gen/envoy/config/core/v3/config_source_pb.ts'
import {
  type FractionalPercent,
  FractionalPercent_DenominatorType,
  FractionalPercentSchema,
} from '@aeraki/xds/gen/envoy/type/v3/percent_pb.ts'

export function typeUrlOf(schema: DescMessage): string {
  return `type.googleapis.com/${schema.typeName}`
}

/** A message without fields of its own, or with few, inside another one. */
export function any<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Any {
  return create(AnySchema, { typeUrl: typeUrlOf(schema), value: toBinary(schema, create(schema, init)) })
}

/** `nested`: has the types of every Any in it. */
export function json<Desc extends DescMessage>(
  schema: Desc,
  init: MessageInitShape<Desc>,
  nested?: Registry,
): JsonObject {
  const value = toJson(schema, create(schema, init), nested === undefined ? {} : { registry: nested })
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${schema.typeName} is no JSON object`)
  }
  return value
}

/** @throws where the JSON is none of a ConfigSource */
export function configSource(source: JsonObject): ConfigSource {
  return fromJson(ConfigSourceSchema, source)
}

/** Whole nanoseconds. */
export function durationOf(ms: number): Duration {
  const nanoseconds = BigInt(Math.round(ms * 1e6))
  return create(DurationSchema, {
    seconds: nanoseconds / 1_000_000_000n,
    nanos: Number(nanoseconds % 1_000_000_000n),
  })
}

/** To a ten-thousandth of a percent. */
export function fraction(percent: number): FractionalPercent {
  return create(FractionalPercentSchema, {
    numerator: Math.round(percent * 10_000),
    denominator: FractionalPercent_DenominatorType.MILLION,
  })
}
