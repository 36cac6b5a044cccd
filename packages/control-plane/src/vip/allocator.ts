/**
 * Virtual addresses for services that have none, out of the loopback block 127.240.0.0/16.
 *
 * Stable in every way that matters to a client that caches an address: where the search starts is a hash of the key, so
 * that the same mesh gives nearly the same addresses even without a state file; what was given is remembered in the
 * state file across restarts; services that come and go never move another one. An address of a service that is gone
 * stays reserved for `keepGoneMs`, or until the block is full.
 */
import { createHash } from 'node:crypto'
import { AerakiError } from '@aeraki/api/errors'

export interface VipAllocator {
  /** The address of this key (a host name), given now if there is none. Throws `MESH_VIP_EXHAUSTED`. */
  allocate(key: string): string
  /** The service is there no more: its address may go to another one, later. */
  release(key: string): void
  /** These addresses are named by the configuration and given to nobody else. Counted: reserve twice, free twice. */
  reserve(address: string): void
  unreserve(address: string): void
  /** What the state file keeps. Sorted by key. */
  snapshot(): readonly VipAssignment[]
  /** Goes up when `snapshot` has changed. */
  readonly revision: number
}

export interface VipAssignment {
  readonly key: string
  readonly address: string
  /** Unix milliseconds; undefined while its service is there. */
  readonly goneSince: number | undefined
}

export interface VipAllocatorOptions {
  readonly assignments?: readonly VipAssignment[]
  /** How many of the 65,534 addresses are used. Smaller in tests. */
  readonly size?: number
  /** Default 24 hours. */
  readonly keepGoneMs?: number
  readonly now?: () => number
}

const blockSize = 65_534
const dayMs = 24 * 60 * 60 * 1000

export function createVipAllocator(options: VipAllocatorOptions = {}): VipAllocator {
  const size = options.size ?? blockSize
  const keepGoneMs = options.keepGoneMs ?? dayMs
  const now = options.now ?? Date.now
  const byKey = new Map<string, { index: number; goneSince: number | undefined }>()
  const byIndex = new Map<number, string>()
  /** The keys whose service is gone: they are few, and looked through for each address that is given. */
  const gone = new Set<string>()
  const reserved = new Map<number, number>()
  let revision = 0

  for (const { key, address, goneSince } of options.assignments ?? []) {
    const index = indexOf(address)
    if (index === undefined || index > size || byIndex.has(index) || byKey.has(key)) continue
    // Until its service shows up again it counts as gone from the moment it was last written.
    byKey.set(key, { index, goneSince: goneSince ?? now() })
    byIndex.set(index, key)
    gone.add(key)
  }

  function drop(key: string): void {
    const entry = byKey.get(key)
    if (entry === undefined) return
    byKey.delete(key)
    gone.delete(key)
    byIndex.delete(entry.index)
    revision += 1
  }

  function dropExpired(): void {
    const oldest = now() - keepGoneMs
    for (const key of gone) if ((byKey.get(key)?.goneSince ?? Infinity) <= oldest) drop(key)
  }

  function freeIndex(key: string): number | undefined {
    const start = createHash('sha256').update(key).digest().readUInt32BE(0) % size
    for (let step = 0; step < size; step++) {
      const index = 1 + ((start + step) % size)
      if (!byIndex.has(index) && !reserved.has(index)) return index
    }
    return undefined
  }

  function longestGone(): string | undefined {
    let found: string | undefined
    let since = Infinity
    for (const key of gone) {
      const { index = 0, goneSince = Infinity } = byKey.get(key) ?? {}
      if (goneSince < since && !reserved.has(index)) {
        found = key
        since = goneSince
      }
    }
    return found
  }

  return {
    allocate(key) {
      const known = byKey.get(key)
      if (known !== undefined) {
        if (known.goneSince !== undefined) {
          known.goneSince = undefined
          gone.delete(key)
          revision += 1
        }
        return addressOf(known.index)
      }
      dropExpired()
      let index = freeIndex(key)
      if (index === undefined) {
        const victim = longestGone()
        if (victim !== undefined) {
          drop(victim)
          index = freeIndex(key)
        }
      }
      if (index === undefined) {
        throw new AerakiError(
          'MESH_VIP_EXHAUSTED',
          `no address is left in 127.240.0.0/16 for ${key}: give the ServiceEntry one in spec.addresses`,
        )
      }
      byKey.set(key, { index, goneSince: undefined })
      byIndex.set(index, key)
      revision += 1
      return addressOf(index)
    },
    release(key) {
      const entry = byKey.get(key)
      if (entry === undefined || entry.goneSince !== undefined) return
      entry.goneSince = now()
      gone.add(key)
      revision += 1
    },
    reserve(address) {
      const index = indexOf(address)
      if (index !== undefined) reserved.set(index, (reserved.get(index) ?? 0) + 1)
    },
    unreserve(address) {
      const index = indexOf(address)
      if (index === undefined) return
      const count = reserved.get(index) ?? 0
      if (count > 1) reserved.set(index, count - 1)
      else reserved.delete(index)
    },
    snapshot() {
      return [...byKey]
        .map(([key, { index, goneSince }]) => ({ key, address: addressOf(index), goneSince }))
        .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    },
    get revision() {
      return revision
    },
  }
}

function addressOf(index: number): string {
  return `127.240.${index >> 8}.${index & 0xff}`
}

/** 1 to 65,534, or undefined for an address outside the block. */
function indexOf(address: string): number | undefined {
  const match = /^127\.240\.(\d{1,3})\.(\d{1,3})$/.exec(address)
  if (match === null) return undefined
  const index = Number(match[1]) * 256 + Number(match[2])
  return index >= 1 && index <= blockSize ? index : undefined
}
