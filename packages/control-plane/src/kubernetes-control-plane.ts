/**
 * The control plane in a cluster: everything from the API server in, ADS out, and EnvoyFilters, addresses and conditions
 * back into the cluster. Any number of it may run: all serve, the one that holds the Lease writes.
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
import { createAdsServer } from '@aeraki/xds'
import { getLogger } from '@logtape/logtape'
import { kubernetesMetrics, kubernetesPage, livenessPage, notReadyPage } from './admin/kubernetes.ts'
import { createPages } from './admin/pages.ts'
import { startAdmin } from './admin/server.ts'
import type { HostPort } from './control-plane.ts'
import { createAddressWriter } from './outputs/kubernetes/addresses.ts'
import { createStatusWriter } from './outputs/kubernetes/status.ts'
import { createClusterWriter, type WriterCounters } from './outputs/kubernetes/writer.ts'
import type { IstioDelivery } from './envoy-filter/delivery.ts'
import { createPipeline } from './pipeline.ts'
import { createKubernetesSource } from './sources/kubernetes/source.ts'
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
  /** How routes come to the sidecars. Default: inline. */
  readonly istioDelivery?: IstioDelivery | undefined
  readonly xds: HostPort
  readonly admin?: HostPort | undefined
  /** Undefined: no webhook. */
  readonly webhook?: WebhookOptions | undefined
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
  readonly recomputedServices: number
}

const leaseName = 'aeraki-leader'

/**
 * Resolves when the cluster has been read and proxies can connect: until then, and for as long as the API server can't be
 * reached, `/ready` says no. Throws AerakiError: `KUBERNETES_CONFIG`, `XDS_LISTEN`, `ADMIN_LISTEN`, `WEBHOOK_LISTEN`,
 * `WEBHOOK_CERTIFICATE`.
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
    saveVips() {},
    // Istio's sidecars know those that stand in the objects.
    allocatedAddresses: false,
    istioDelivery: options.istioDelivery,
  })
  const source = createKubernetesSource({ client, timing })
  let election: Election | undefined
  const leads = (): boolean => election?.leads === true
  const closers: (() => Promise<void>)[] = [async () => client.close()]

  /** Whatever was started last ends first. */
  async function close(): Promise<void> {
    for (const closer of closers.toReversed()) await closer()
  }

  try {
    const admin =
      options.admin === undefined ? undefined : await startAdmin(options.admin, [livenessPage, notReadyPage])
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
      objects: () => store.objects(),
      isWritable: ({ metadata }) =>
        source.objectOf('ServiceEntry', `${metadata.namespace}/${metadata.name}`) !== undefined,
    })
    closers.push(() => addresses.close())

    closers.push(() => source.close())
    log.info('Reading {server} as {origin} says', { server: client.server, origin: config.origin })
    await source.start((updates) => {
      pipeline.accept(updates)
      status.refresh()
      addresses.refresh()
    })
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

    const view = { identity, election: elected, source, writer, status, addresses, webhook }
    const more = (): ReturnType<typeof kubernetesMetrics> => kubernetesMetrics(view)
    admin?.replace([livenessPage, ...createPages({ pipeline, server, more }), kubernetesPage(view)])
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
