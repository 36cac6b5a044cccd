/** Conversions that several resources share. */
import { isIP } from 'node:net'
import type { Duration } from '@bufbuild/protobuf/wkt'
import type { Address as AddressMessage } from '@aeraki/xds/gen-lean/envoy/config/core/v3/address_pb.ts'
import type { Address } from './model.ts'
import type { Place } from './refusal.ts'

/** Milliseconds, rounded up: a timeout of a microsecond is not "never". */
export function milliseconds(duration: Duration, place: Place): number {
  const value = Math.ceil(Number(duration.seconds) * 1000 + duration.nanos / 1e6)
  if (!Number.isSafeInteger(value) || value < 0) throw place.invalid(`${value} ms is not a duration; give 0s or more`)
  return value
}

/**
 * A TCP socket address. `hostname`: a DNS name is allowed too (STRICT_DNS clusters).
 */
export function socketAddress(
  message: AddressMessage | undefined,
  place: Place,
  kind: 'ip' | 'hostname' = 'ip',
): Address {
  if (message === undefined) throw place.invalid('is missing; give a socket_address')
  if (message.address.case !== 'socketAddress') {
    throw place.unsupported(
      `${message.address.case ?? 'an empty address'}; this proxy listens and connects on TCP, give a socket_address`,
    )
  }
  const socket = message.address.value
  const at = place.at('socket_address')
  if (socket.protocol !== 0) throw at.at('protocol').unsupported('UDP; this proxy speaks TCP')
  if (socket.portSpecifier.case !== 'portValue') throw at.unsupported('no port; give port_value')
  const port = socket.portSpecifier.value
  if (port > 65_535) throw at.at('port_value').invalid(`${port} is not a port; give 1 to 65535`)
  if (socket.address === '') throw at.at('address').invalid('is empty')
  if (kind === 'ip' && isIP(socket.address) === 0) {
    throw at
      .at('address')
      .invalid(`"${socket.address}" is not an IP address; a DNS name needs a cluster of type STRICT_DNS`)
  }
  return { host: socket.address, port }
}

export function formatAddress(address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}
