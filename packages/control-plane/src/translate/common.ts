/** Small messages that every translator needs. */
import { create } from '@bufbuild/protobuf'
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt'
import { type Address, AddressSchema } from '@aeraki/xds/gen/envoy/config/core/v3/address_pb.ts'
import { type Locality as LocalityMessage, LocalitySchema } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import {
  ApiVersion,
  type ConfigSource,
  ConfigSourceSchema,
} from '@aeraki/xds/gen/envoy/config/core/v3/config_source_pb.ts'
import type { Locality } from '@aeraki/api'

export function duration(ms: number): Duration {
  const seconds = Math.floor(ms / 1000)
  const nanos = Math.round((ms - seconds * 1000) * 1e6)
  const carry = nanos === 1e9
  return create(DurationSchema, { seconds: BigInt(carry ? seconds + 1 : seconds), nanos: carry ? 0 : nanos })
}

export function socketAddress(address: string, port: number): Address {
  return create(AddressSchema, {
    address: {
      case: 'socketAddress',
      value: { address, portSpecifier: { case: 'portValue', value: port } },
    },
  })
}

export function localityMessage({ region, zone, subZone }: Locality): LocalityMessage {
  return create(LocalitySchema, { region, zone, subZone })
}

/** "From the same ADS stream that this came from." */
export function adsSource(): ConfigSource {
  return create(ConfigSourceSchema, {
    resourceApiVersion: ApiVersion.V3,
    configSourceSpecifier: { case: 'ads', value: {} },
  })
}
