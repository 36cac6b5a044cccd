/**
 * Services of registries as ServiceEntries in a cluster, by server-side apply. Any number of bridges may run; the one that
 * holds the Lease writes. Nothing is written before every registry has been read in full: what is not wanted then, and
 * was written by a bridge, is deleted.
 *
 * Name, labels and field manager are dubbo2istio's, so that its entries can be taken over: one of the same name becomes
 * ours; the others, which its label `registry: dubbo2istio` tells, are left to it.
 */
import { createHash, randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import {
  core,
  createKubernetesClient,
  type ElectionOptions,
  loadClusterConfig,
  mapReceiver,
  type Reflector,
  type ReflectorTiming,
  startElection,
  startReflector,
} from '@aeraki/kubernetes'
import { type ServiceSource, toServiceEntries } from '@aeraki/registries'
import { type ClusterWriter, createClusterWriter, type Wanted, type WriterSubject } from './writer.ts'

export interface ServiceEntryOutputOptions {
  /** Default: as the Kubernetes tools find one. */
  readonly kubeconfig?: string | undefined
  readonly context?: string | undefined
  /** Where the Lease is. Default: that of the pod or of the kubeconfig's context. */
  readonly namespace?: string | undefined
  /** For tests: shorter ones. */
  readonly timing?: Partial<ReflectorTiming>
  readonly election?: Pick<ElectionOptions, 'leaseMs' | 'renewDeadlineMs' | 'retryMs'>
}

export interface ServiceEntryOutput {
  readonly leads: boolean
  /** Who holds the Lease, as last seen; empty for nobody. */
  readonly leader: string
  readonly reflectors: readonly Reflector[]
  readonly counters: ClusterWriter['counters']
  /** By kind, namespace and name: what could not be written, and why. */
  readonly failures: ClusterWriter['failures']
  close(): Promise<void>
}

const leaseName = 'aeraki-registry-leader'

const serviceEntries: WriterSubject = {
  resources: [{ group: 'networking.istio.io', kind: 'ServiceEntry', versions: ['v1', 'v1beta1', 'v1alpha3'] }],
  fieldManager: 'aeraki',
  labelSelector: 'manager=aeraki,registry!=dubbo2istio',
  // Addresses are given by others.
  owns: 'fields',
}

/** Throws AerakiError `KUBERNETES_CONFIG`. */
export function writeServiceEntries(source: ServiceSource, options: ServiceEntryOutputOptions): ServiceEntryOutput {
  const config = loadClusterConfig(options)
  const client = createKubernetesClient(config)
  const { timing = {} } = options
  /** Whether it can be written to. */
  const namespaces = new Map<string, boolean>()
  /** By host. */
  const wanted = new Map<string, readonly Wanted[]>()
  let complete = false

  const namespaceReflector = startReflector({
    client,
    resource: core.namespaces,
    metadataOnly: true,
    timing,
    receiver: mapReceiver(
      namespaces,
      ({ metadata }) => metadata.deletionTimestamp === undefined,
      () => {},
    ),
  })
  const election = startElection({
    client,
    namespace: options.namespace ?? config.namespace,
    name: leaseName,
    identity: `${hostname()}_${randomUUID()}`,
    ...options.election,
    onChange(leads) {
      if (leads) writer.lead()
    },
  })
  const writer = createClusterWriter({
    client,
    leads: () => election.leads,
    namespaces: { has: (name) => namespaces.get(name) === true },
    timing,
    subject: serviceEntries,
  })
  const unsubscribe = source.subscribe({
    changed(changes) {
      const changed: Wanted[] = []
      const removed = new Map<string, Wanted>()
      for (const { host, service } of changes) {
        const before = wanted.get(host) ?? []
        const after = service === undefined ? [] : toServiceEntries(service).map(versioned)
        if (after.length > 0) wanted.set(host, after)
        else wanted.delete(host)
        for (const each of before) removed.set(placeOf(each), each)
        for (const each of after) removed.delete(placeOf(each))
        changed.push(...after)
      }
      if (complete) writer.change({ changed, removed: [...removed.values()].map(({ object }) => object) })
    },
    complete() {
      complete = true
      void namespaceReflector.firstSync.then(() => writer.want([...wanted.values()].flat()))
    },
  })
  return {
    get leads() {
      return election.leads
    },
    get leader() {
      return election.holder
    },
    reflectors: [namespaceReflector, ...writer.reflectors],
    counters: writer.counters,
    failures: writer.failures,
    async close() {
      unsubscribe()
      await writer.close()
      await Promise.all([election.close(), namespaceReflector.close()])
      client.close()
    },
  }
}

function versioned(object: Wanted['object']): Wanted {
  return { object, version: createHash('sha256').update(JSON.stringify(object)).digest('base64') }
}

function placeOf({ object: { metadata } }: Wanted): string {
  return `${metadata.namespace}/${metadata.name}`
}
