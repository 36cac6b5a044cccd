/**
 * The control plane in a cluster: everything from the API server, and from registries, in, ADS out, and EnvoyFilters,
 * addresses, conditions, and ServiceEntries of registries back into the cluster. Any number of it may run: all serve, the
 * one that holds the Lease writes.
 */
import { hostname } from 'node:os'
import { randomUUID } from 'node:crypto'
import type { Diagnostic } from '@aeraki/api'
import {
  createKubernetesClient,
  type Election,
  loadClusterConfig,
  type ReflectorTiming,
  startElection,
} from '@aeraki/kubernetes'
import type { BridgeConfig } from '@aeraki/registries'
import { createAdsServer } from '@aeraki/xds'
import { getLogger } from '@logtape/logtape'
import { kubernetesMetrics, kubernetesPage, notReadyPage } from './admin/kubernetes.ts'
import { createPages } from './admin/pages.ts'
import { registryPages } from './admin/registry-pages.ts'
import { livenessPage, startAdmin } from './admin/server.ts'
import type { HostPort } from './control-plane.ts'
import { type AddressBlock, defaultAddressBlock } from './outputs/kubernetes/address-block.ts'
import { createAddressWriter } from './outputs/kubernetes/addresses.ts'
import { createStatusWriter } from './outputs/kubernetes/status.ts'
import { createClusterWriter, type WriterCounters } from './outputs/kubernetes/writer.ts'
import type { IstioDelivery } from './envoy-filter/delivery.ts'
import { createPipeline } from './pipeline.ts'
import { runBridge } from './registry-bridge.ts'
import { overlayRegistries } from './sources/kubernetes/overlay.ts'
import { createKubernetesSource } from './sources/kubernetes/source.ts'
import { createRegistrySource } from './sources/registry.ts'
import type { SourceListener } from './sources/source.ts'
import { createVipAllocator } from './vip/allocator.ts'
import { startWebhook, type WebhookOptions } from './webhook/server.ts'

const log = getLogger(['aeraki', 'control-plane'])

export interface KubernetesControlPlaneOptions {
  /** Default: as the Kubernetes tools find one; see loadClusterConfig. */
  readonly kubeconfig?: string | undefined
  readonly context?: string | undefined
  /** Where the Lease is. Default: that of the pod or of the kubeconfig's context. */
  readonly namespace?: string | undefined
  /** Where EnvoyFilters for everybody go, and whose DestinationRules count for everybody. Default `istio-system`. */
  readonly rootNamespace?: string | undefined
  /** Of the names of Kubernetes services. Default `cluster.local`. */
  readonly clusterDomain?: string | undefined
  /** Out of which ServiceEntries are given addresses. Default 240.241.0.0/16. */
  readonly addressBlock?: AddressBlock | undefined
  /** How routes come to the sidecars. Default: inline. */
  readonly istioDelivery?: IstioDelivery | undefined
  readonly xds: HostPort
  readonly admin?: HostPort | undefined
  /** Undefined: no webhook. */
  readonly webhook?: WebhookOptions | undefined
  /**
   * Registries whose services are in the mesh, too, and in the cluster as ServiceEntries. The outputs that it names itself
   * count but for `kubernetes`.
   */
  readonly registries?: BridgeConfig | undefined
  /** Default: the host's name and a random number. */
  readonly identity?: string
  /** For tests: shorter ones. */
  readonly timing?: Partial<ReflectorTiming>
  readonly election?: { readonly leaseMs: number; readonly renewDeadlineMs: number; readonly retryMs: number }
}

export interface KubernetesControlPlane {
  readonly xdsAddress: string
  readonly adminAddress: string | undefined
  readonly webhookAddress: string | undefined
  readonly identity: string
  readonly leads: boolean
  diagnostics(): Diagnostic[]
  counters(): KubernetesCounters
  /** Resolves when there is nothing left to write but what failed and is waiting for its next try. */
  idle(): Promise<void>
  close(): Promise<void>
}

export interface KubernetesCounters {
  readonly writer: Readonly<WriterCounters>
  readonly status: { readonly written: number; readonly failed: number }
  readonly addresses: { readonly given: number; readonly moved: number; readonly failed: number }
  readonly serviceEntries: Readonly<WriterCounters> | undefined
  readonly recomputedServices: number
}

const leaseName = 'aeraki-leader'

/**
 * Resolves when the cluster has been read and proxies can connect: until then, and for as long as the API server can't be
 * reached, `/ready` says no. Registries are not waited for: what they said last stands in the cluster. Throws AerakiError:
 * `KUBERNETES_CONFIG`, `XDS_LISTEN`, `ADMIN_LISTEN`, `WEBHOOK_LISTEN`, `WEBHOOK_CERTIFICATE`, `REGISTRY_OUTPUT`.
 */
export async function startKubernetesControlPlane(
  options: KubernetesControlPlaneOptions,
): Promise<KubernetesControlPlane> {
  const config = loadClusterConfig(options)
  const client = createKubernetesClient(config)
  const rootNamespace = options.rootNamespace ?? 'istio-system'
  const namespace = options.namespace ?? config.namespace
  const identity = options.identity ?? `${hostname()}_${randomUUID()}`
  const timing = options.timing ?? {}
  const pipeline = createPipeline({
    vips: createVipAllocator(),
    rootNamespace,
    clusterDomain: options.clusterDomain,
    saveVips() {},
    // Istio's sidecars know those that stand in the objects.
    allocatedAddresses: false,
    istioDelivery: options.istioDelivery,
  })
  const source = createKubernetesSource({ client, timing, domain: options.clusterDomain })
  let election: Election | undefined
  const leads = (): boolean => election?.leads === true
  const closers: (() => Promise<void>)[] = [async () => client.close()]

  /** Whatever was started last ends first. */
  async function close(): Promise<void> {
    for (const closer of closers.toReversed()) await closer()
  }

  try {
    const admin =
      options.admin === undefined ? undefined : await startAdmin(options.admin, [livenessPage, notReadyPage(source)])
    if (admin !== undefined) closers.push(() => admin.close())
    const webhook = options.webhook === undefined ? undefined : await startWebhook(options.webhook)
    if (webhook !== undefined) closers.push(() => webhook.close())

    const writer = createClusterWriter({ client, leads, namespaces: source.namespaces, timing })
    closers.push(() => writer.close())
    const { store } = pipeline
    let told = false
    const generated = pipeline.generated((changes) => {
      if (told) writer.change(changes)
    })
    const diagnostics = (): Diagnostic[] => pipeline.diagnostics()
    const status = createStatusWriter({ client, leads, source, diagnostics })
    closers.push(() => status.close())
    const addresses = createAddressWriter({
      client,
      leads,
      block: options.addressBlock ?? defaultAddressBlock,
      objects: () => store.objects(),
      isWritable: ({ metadata }) =>
        source.objectOf('ServiceEntry', `${metadata.namespace}/${metadata.name}`) !== undefined,
    })
    closers.push(() => addresses.close())

    closers.push(() => source.close())
    log.info('Reading {server} as {origin} says', { server: client.server, origin: config.origin })
    const accept: SourceListener = (updates) => {
      pipeline.accept(updates)
      status.refresh()
      addresses.refresh()
    }
    const running =
      options.registries === undefined ? undefined : runBridge(options.registries, { ...options, namespace })
    if (running !== undefined) closers.push(() => running.close())
    const overlay = running === undefined ? undefined : overlayRegistries(accept)
    await source.start(overlay?.cluster ?? accept)
    writer.want(generated.objects())
    told = true
    const server = await createAdsServer({ provider: pipeline.output, listen: options.xds })
    closers.push(() => server.close())
    election = startElection({
      client,
      namespace,
      name: leaseName,
      identity,
      ...options.election,
      onChange(leading) {
        if (!leading) return
        writer.lead()
        status.refresh()
        addresses.refresh()
      },
    })
    const elected = election
    closers.push(() => elected.close())

    if (running !== undefined && overlay !== undefined) {
      const registries = createRegistrySource(running.bridge, running.complete)
      closers.push(() => registries.close())
      void registries.start(overlay.registries)
    }

    const view = {
      identity,
      election: elected,
      source,
      writer,
      status,
      addresses,
      webhook,
      serviceEntries: running?.cluster,
    }
    const more = (): ReturnType<typeof kubernetesMetrics> => kubernetesMetrics(view)
    const pages = createPages({ pipeline, server, more, bridge: running?.bridge })
    const ofRegistries = running === undefined ? [] : registryPages(running.bridge)
    admin?.replace([livenessPage, ...pages, kubernetesPage(view), ...ofRegistries])
    const xdsAddress = hostPort(server.address)
    log.info('Serving {server} to proxies on {xds}', { server: client.server, xds: xdsAddress })
    return {
      xdsAddress,
      adminAddress: admin?.address,
      webhookAddress: webhook?.address,
      identity,
      get leads() {
        return leads()
      },
      diagnostics,
      counters: () => ({
        writer: writer.counters,
        status: status.counters,
        addresses: addresses.counters,
        serviceEntries: running?.cluster?.counters,
        recomputedServices: pipeline.mesh.recomputed,
      }),
      async idle() {
        await Promise.all([writer.idle(), status.idle(), addresses.idle()])
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function hostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
