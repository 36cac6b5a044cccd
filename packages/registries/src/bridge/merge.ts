/**
 * The slices of all registries for one host -> the service. A pure function: the same registrations, in whatever order,
 * give the same service.
 */
import type { Registration, Rejection } from '../contract.ts'
import type { Instance, ServiceModel, ServicePort } from '../model.ts'
import { compareProtocols, namePort } from '../ports.ts'
import type { BridgeConfig } from './config.ts'

export interface Claim {
  /** Name of the registry. */
  readonly registry: string
  readonly registration: Registration
}

export type MergeSettings = Pick<BridgeConfig, 'namespace' | 'serviceAccount' | 'ports'>

export interface Merged {
  readonly service: ServiceModel
  /** Registrations that had to give way. */
  readonly conflicts: readonly (Rejection & { readonly registry: string })[]
}

/** One process with its port of each protocol. */
interface Candidate {
  readonly first: Claim
  readonly ports: ReadonlyMap<string, number>
}

/** Undefined without claims. */
export function mergeClaims(host: string, claims: readonly Claim[], settings: MergeSettings): Merged | undefined {
  const conflicts: (Rejection & { registry: string })[] = []
  const spelling = mostCommon(claims.map(({ registration }) => registration.interface))
  if (spelling === undefined) return undefined
  const agreed = claims.filter(({ registration }) => registration.interface === spelling)
  for (const claim of claims) {
    if (claim.registration.interface !== spelling) conflicts.push(conflict(claim, `${spelling} has the host ${host}`))
  }

  const candidates = toCandidates(withoutRepetitions(agreed))
  const { protocols, sound } = commonProtocols(candidates)
  const [primary = ''] = protocols
  for (const { first, ports } of candidates) {
    if (!ports.has(primary)) conflicts.push(conflict(first, `it has no port for ${primary}, as others of ${host} have`))
  }

  const ports = toPorts(protocols, sound, settings)
  const instances = sound.map((candidate) => toInstance(candidate, ports, settings))
  return {
    service: {
      registries: [...new Set(sound.map(({ first }) => first.registry))].toSorted(),
      host,
      namespace: mostCommon(agreed.flatMap(({ registration }) => registration.namespace ?? [])) ?? settings.namespace,
      interface: spelling,
      workloadSelector: mostCommon(agreed.flatMap(({ registration }) => registration.workloadSelector ?? [])),
      ports: [...ports.values()].toSorted((a, b) => a.number - b.number),
      instances: withWeights(instances, sound),
    },
    conflicts,
  }
}

/** One provider may be listed by interface and by application, and in two registries. */
function withoutRepetitions(claims: readonly Claim[]): Claim[] {
  const found = new Map<string, Claim>()
  for (const claim of claims.toSorted(compareClaims)) {
    const { address, port } = claim.registration
    const key = `${port.protocol} ${port.number} ${address}`
    if (!found.has(key)) found.set(key, claim)
  }
  return [...found.values()]
}

/** Best first; total for claims that differ in anything that matters. */
function compareClaims(a: Claim, b: Claim): number {
  const [left, right] = [a.registration, b.registration]
  return (
    right.rank - left.rank ||
    compareText(a.registry, b.registry) ||
    compareText(left.address, right.address) ||
    left.port.number - right.port.number ||
    compareProtocols(left.port.protocol, right.port.protocol) ||
    compareText(left.provider, right.provider)
  )
}

/** Processes of one address are told apart by what they say of themselves; else the n-th ports belong together. */
function toCandidates(claims: readonly Claim[]): Candidate[] {
  const processes = new Map<string, { first: Claim; ports: Map<string, number> }[]>()
  for (const claim of claims.toSorted(comparePorts)) {
    const { address, process, port } = claim.registration
    const key = `${address} ${process}`
    const known = processes.get(key) ?? []
    processes.set(key, known)
    const free = known.find(({ ports }) => !ports.has(port.protocol))
    if (free === undefined) known.push({ first: claim, ports: new Map([[port.protocol, port.number]]) })
    else free.ports.set(port.protocol, port.number)
  }
  return [...processes.values()].flat()
}

function comparePorts(a: Claim, b: Claim): number {
  const [left, right] = [a.registration, b.registration]
  return (
    compareText(left.address, right.address) ||
    compareProtocols(left.port.protocol, right.port.protocol) ||
    left.port.number - right.port.number ||
    compareClaims(a, b)
  )
}

/**
 * An endpoint of a ServiceEntry serves every port of it. So a port is the service's when all its instances have it; the
 * one that most have is, and those that lack it are left out.
 */
function commonProtocols(candidates: readonly Candidate[]): { protocols: string[]; sound: Candidate[] } {
  const counts = new Map<string, number>()
  for (const { ports } of candidates) {
    for (const protocol of ports.keys()) counts.set(protocol, (counts.get(protocol) ?? 0) + 1)
  }
  const order = [...counts].toSorted(([a, m], [b, n]) => n - m || compareProtocols(a, b)).map(([protocol]) => protocol)
  const [primary = ''] = order
  const sound = candidates.filter(({ ports }) => ports.has(primary))
  return { protocols: order.filter((protocol) => sound.every(({ ports }) => ports.has(protocol))), sound }
}

/**
 * By protocol. The number is the configured one, else the one that all instances have, else the protocol's usual one:
 * it is what consumers dial, so it must not depend on which instance happens to be first.
 */
function toPorts(
  protocols: readonly string[],
  candidates: readonly Candidate[],
  settings: MergeSettings,
): Map<string, ServicePort> {
  const ports = new Map<string, ServicePort>()
  const taken = new Set<number>()
  const names = new Set<string>()
  for (const protocol of protocols) {
    const override = settings.ports[protocol]
    const naming = namePort(protocol)
    const numbers = new Set(candidates.map((candidate) => candidate.ports.get(protocol)))
    const [agreed] = numbers
    let number = override?.number ?? (numbers.size === 1 && agreed !== undefined ? agreed : naming.usual)
    if (taken.has(number)) number = naming.usual
    while (taken.has(number)) number = (number % 65_535) + 1
    let name = override?.name ?? naming.name
    if (names.has(name)) name = `${name}-${protocol}`
    taken.add(number)
    names.add(name)
    ports.set(protocol, { number, name, protocol: naming.protocol })
  }
  return ports
}

function toInstance(
  { first, ports }: Candidate,
  servicePorts: ReadonlyMap<string, ServicePort>,
  settings: MergeSettings,
): Instance {
  const { address, weight, locality, labels, serviceAccount } = first.registration
  return {
    address,
    ports: Object.fromEntries(
      [...servicePorts].flatMap(([protocol, { name }]) => {
        const number = ports.get(protocol)
        return number === undefined ? [] : [[name, number] as const]
      }),
    ),
    weight,
    locality: locality ?? '',
    labels: { ...labels, registryName: first.registry },
    serviceAccount: serviceAccount ?? settings.serviceAccount,
  }
}

function withWeights(instances: readonly Instance[], candidates: readonly Candidate[]): Instance[] {
  const weights = new Set(candidates.map(({ first }) => first.registration.weight))
  return weights.size > 1 ? [...instances] : instances.map((instance) => ({ ...instance, weight: undefined }))
}

/** The first in code-unit order of those that are most frequent: stable, and no single one can take a host over. */
function mostCommon(words: readonly string[]): string | undefined {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  let best: string | undefined
  for (const [word, count] of counts) {
    const bestCount = best === undefined ? 0 : (counts.get(best) ?? 0)
    if (count > bestCount || (count === bestCount && best !== undefined && word < best)) best = word
  }
  return best
}

function conflict({ registry, registration }: Claim, reason: string): Rejection & { registry: string } {
  return { registry, provider: registration.provider, code: 'REGISTRATION_CONFLICT', reason }
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
