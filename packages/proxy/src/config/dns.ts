/** Endpoints that are names in DNS: looked up again and again, the last good answer is kept. */
import { lookup as systemLookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { getLogger } from '@logtape/logtape'
import type { DnsEndpoints } from './from-cluster.ts'
import type { EndpointConfig, EndpointsConfig } from './model.ts'

/** IP addresses of a name. Rejects when there is no answer. */
export type DnsLookup = (host: string, family: 'any' | 'v4' | 'v6') => Promise<readonly string[]>

export interface DnsResolution {
  close(): void
}

const log = getLogger(['aeraki', 'proxy', 'dns'])

/**
 * Calls back with the first answer, and then whenever it changes. A name that can't be resolved keeps the addresses it
 * had; while no name has ever been resolved there is no call, so that what waits for endpoints waits on.
 */
export function resolvePeriodically(
  dns: DnsEndpoints,
  onEndpoints: (endpoints: EndpointsConfig) => void,
  lookup: DnsLookup = lookupSystem,
): DnsResolution {
  const known = new Map<string, readonly string[]>()
  const failing = new Set<string>()
  let last = ''
  let timer: NodeJS.Timeout | undefined
  let closed = false

  async function resolveName(host: string): Promise<void> {
    try {
      const found = await lookup(host, dns.family)
      // Sorted, because resolvers rotate their answers, and an order is no change.
      const addresses = [...new Set(found)].sort()
      if (addresses.length > 0) known.set(host, addresses)
      if (failing.delete(host)) log.info('{host} resolves again', { host })
    } catch (error) {
      if (failing.has(host)) return
      failing.add(host)
      const kept = known.get(host)?.join(', ') ?? 'nothing'
      log.warn('{host} does not resolve, its last addresses ({kept}) are kept: {error}', { host, kept, error })
    }
  }

  async function round(): Promise<void> {
    const hosts = new Set(
      dns.assignment.localities.flatMap(({ endpoints }) => endpoints.map(({ address }) => address.host)),
    )
    await Promise.all([...hosts].filter((host) => isIP(host) === 0).map(resolveName))
    if (closed) return
    const all = [...hosts].every((host) => isIP(host) !== 0 || known.has(host) || failing.has(host))
    const any = hosts.size === 0 || [...hosts].some((host) => isIP(host) !== 0 || known.has(host))
    const endpoints = expand(dns, known)
    const text = JSON.stringify(endpoints)
    if (all && any && text !== last) {
      last = text
      onEndpoints(endpoints)
    }
    timer = setTimeout(() => void round(), dns.refreshMs)
    timer.unref()
  }

  void round()
  return {
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}

function expand(dns: DnsEndpoints, known: ReadonlyMap<string, readonly string[]>): EndpointsConfig {
  const localities = dns.assignment.localities.map((locality) => ({
    ...locality,
    endpoints: locality.endpoints.flatMap((endpoint): readonly EndpointConfig[] => {
      const { host, port } = endpoint.address
      if (isIP(host) !== 0) return [endpoint]
      const addresses = known.get(host) ?? []
      const used = dns.take === 'first' ? addresses.slice(0, 1) : addresses
      return used.map((address) => ({ ...endpoint, address: { host: address, port } }))
    }),
  }))
  return { name: dns.assignment.name, localities }
}

async function lookupSystem(host: string, family: 'any' | 'v4' | 'v6'): Promise<readonly string[]> {
  const version = family === 'v4' ? 4 : family === 'v6' ? 6 : 0
  const found = await systemLookup(host, { all: true, family: version })
  return found.map(({ address }) => address)
}
