/**
 * Gives ServiceEntries that have no address one, in the object itself: an outbound listener is matched by address and
 * port, and what Istio allocates by itself differs from sidecar to sidecar. The block is beside Istio's own, so that neither
 * ever gives away the other's.
 *
 * There is no state but the objects: where the search begins is a hash of namespace and name, and an address that stands
 * in any object is taken. So a restart, a new leader or an object that is made again come to the same address.
 */
import { createHash } from 'node:crypto'
import { isKind, isWildcard, keyOf, type LoadedObject, type ObjectOf, protocolOfPort } from '@aeraki/api'
import { AerakiError } from '@aeraki/api/errors'
import {
  apiVersionOf,
  findResource,
  isManagedBy,
  type KubernetesClient,
  type KubernetesObject,
  pathOf,
  type Resource,
  statusOf,
} from '@aeraki/kubernetes'
import { getLogger } from '@logtape/logtape'
import { compareAge } from '../../mesh/findings.ts'
import type { AddressBlock } from './address-block.ts'
import { createRefreshedQueue, type RefreshedQueue } from './refreshed-queue.ts'

const log = getLogger(['aeraki', 'control-plane', 'addresses'])

/** To be refreshed when something has changed, or this process leads now. */
export interface AddressWriter extends RefreshedQueue {
  readonly counters: { given: number; moved: number; failed: number }
}

export interface AddressWriterOptions {
  readonly client: KubernetesClient
  readonly leads: () => boolean
  /** All that are in force. */
  readonly objects: () => Iterable<LoadedObject>
  /** False for a ServiceEntry that stands in no object of its own, as one that was made of a Service. */
  readonly isWritable: (entry: ObjectOf<'ServiceEntry'>) => boolean
  readonly block: AddressBlock
  /** Changes come in bursts. Default 200 ms. */
  readonly debounceMs?: number
}

type Entry = ObjectOf<'ServiceEntry'>

/** Not that of other writers of ServiceEntries: apply takes away what a manager no longer says. */
const fieldManager = 'aeraki-addresses'

export function createAddressWriter(options: AddressWriterOptions): AddressWriter {
  const { client, block } = options
  const counters = { given: 0, moved: 0, failed: 0 }
  /** Chosen, and not seen in an object yet. */
  const chosen = new Map<string, string>()
  let entries = new Map<string, Entry>()
  let used = new Map<string, Entry[]>()
  let resource: Resource | undefined

  const queue = createRefreshedQueue({
    concurrency: 4,
    debounceMs: options.debounceMs,
    find,
    work,
    onFailure(key, error) {
      if (statusOf(error) === 409) return
      counters.failed += 1
      log.warn('{key} could not be given an address; it is tried again: {error}', { key, error: String(error) })
    },
  })

  function find(): string[] {
    entries = new Map()
    used = new Map()
    for (const object of options.objects()) {
      if (!isKind(object, 'ServiceEntry')) continue
      for (const address of object.spec.addresses ?? []) used.set(address, [...(used.get(address) ?? []), object])
      if (options.isWritable(object)) entries.set(keyOf(object), object)
    }
    for (const [key, address] of chosen) {
      const entry = entries.get(key)
      if (entry === undefined || used.get(address)?.includes(entry) === true) chosen.delete(key)
    }
    if (!options.leads()) return []
    return [...entries].flatMap(([key, entry]) => (needsAddress(entry) || isContested(entry) ? [key] : []))
  }

  /** Another, older ServiceEntry has its address, as after a copy of the object was applied under another name. */
  function isContested(entry: Entry): boolean {
    return (entry.spec.addresses ?? []).some((address) => {
      if (!block.has(address)) return false
      return used.get(address)?.some((other) => other !== entry && compareAge(other, entry) < 0) === true
    })
  }

  async function work(key: string): Promise<void> {
    const entry = entries.get(key)
    if (entry === undefined || !options.leads()) return
    const { namespace, name } = entry.metadata
    resource ??= await findResource(client, {
      group: 'networking.istio.io',
      kind: 'ServiceEntry',
      versions: ['v1', 'v1beta1', 'v1alpha3'],
    })
    if (resource === undefined) return
    const path = pathOf(resource, namespace, name)
    const current = await client.request<KubernetesObject>({ path }).catch((error: unknown) => {
      if (statusOf(error) === 404) return undefined
      throw error
    })
    if (current === undefined) return
    const addresses = (current['spec'] as { addresses?: readonly string[] } | undefined)?.addresses ?? []
    const moves = addresses.length > 0
    // Only an address that we gave is ours to take back.
    if (moves && !(isContested(entry) && isManagedBy(current, fieldManager))) return
    const address = chosen.get(key) ?? choose(key)
    if (!options.leads()) return
    await client.request({
      method: 'PATCH',
      path,
      query: { fieldManager, force: moves },
      contentType: 'application/apply-patch+yaml',
      body: {
        apiVersion: apiVersionOf(resource),
        kind: 'ServiceEntry',
        // The very version that was looked at: two that give addresses at once do not both succeed.
        metadata: { name, namespace, uid: current.metadata.uid, resourceVersion: current.metadata.resourceVersion },
        spec: { addresses: [address] },
      },
    })
    if (moves) counters.moved += 1
    else counters.given += 1
    log.info('{key} has the address {address} now', { key, address })
  }

  function choose(key: string): string {
    const taken = new Set(chosen.values())
    const start = createHash('sha256').update(key).digest().readUInt32BE(0) % block.size
    for (let step = 0; step < block.size; step++) {
      const address = block.at((start + step) % block.size)
      if (taken.has(address) || used.has(address)) continue
      chosen.set(key, address)
      return address
    }
    throw new AerakiError(
      'MESH_VIP_EXHAUSTED',
      `no address is left in ${block.text} for ${key}: give another --address-block`,
    )
  }

  return { ...queue, counters }
}

/** A service that our listeners would need an address for. */
function needsAddress({ spec }: Entry): boolean {
  return (
    (spec.addresses ?? []).length === 0 &&
    spec.resolution !== undefined &&
    spec.resolution !== 'NONE' &&
    spec.hosts.every((host) => !isWildcard(host)) &&
    (spec.ports ?? []).some((port) => protocolOfPort(port) !== undefined)
  )
}
