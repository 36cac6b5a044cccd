/**
 * Addresses as the system has them (netinet/in.h):
 *
 *   sockaddr_in    u16 family, u16 port (network order), 4 bytes address, 8 bytes of nothing
 *   sockaddr_in6   u16 family, u16 port (network order), u32 flow, 16 bytes address, u32 scope
 */
import { isIPv4, isIPv6 } from 'node:net'
import type { SocketAddress } from './io.ts'

export const inet = 2
export const inet6 = 10

export const maxSockaddrBytes = 28

export interface Sockaddr {
  readonly family: number
  readonly bytes: Uint8Array
}

/** Undefined: the host is not an IP address. */
export function toSockaddr({ host, port }: SocketAddress): Sockaddr | undefined {
  const v4 = isIPv4(host)
  if (!v4 && (!isIPv6(host) || host.includes('%'))) return undefined
  const bytes = new Uint8Array(v4 ? 16 : 28)
  const family = v4 ? inet : inet6
  // The family is in the processor's order, and both kinds that we know have the low byte first.
  bytes[0] = family
  bytes[2] = port >> 8
  bytes[3] = port & 0xff
  bytes.set(v4 ? host.split('.').map(Number) : bytesOf(host), v4 ? 4 : 8)
  return { family, bytes }
}

export function fromSockaddr(bytes: Uint8Array): SocketAddress {
  const port = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)
  if (bytes[0] === inet) return { host: bytes.subarray(4, 8).join('.'), port }
  const groups = Array.from({ length: 8 }, (_, index) => groupAt(bytes, 8 + 2 * index))
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff)
    return { host: `::ffff:${bytes.subarray(20, 24).join('.')}`, port }
  return { host: canonical(groups.map((group) => group.toString(16)).join(':')), port }
}

function groupAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

/** Of the groups in hexadecimal, in the form of RFC 5952, which URL writes. */
function canonical(groups: string): string {
  return new URL(`http://[${groups}]`).hostname.slice(1, -1)
}

/** The 16 bytes of an IPv6 address in any of its spellings. */
function bytesOf(host: string): readonly number[] {
  const [head = '', tail = ''] = host.split('::')
  const before = groupsOf(head)
  const after = groupsOf(tail)
  return [...before, ...Array.from({ length: 16 - before.length - after.length }, () => 0), ...after]
}

/** The bytes of some groups, of which the last may be an IPv4 address. */
function groupsOf(text: string): readonly number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}
