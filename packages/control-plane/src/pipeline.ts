/** Source -> store -> mesh -> output, one turn for each batch of changes. No network: that is control-plane.ts. */
import { type Diagnostic, formatDiagnostic } from '@aeraki/api'
import { getLogger } from '@logtape/logtape'
import type { IstioDelivery, RouteDelivery } from './envoy-filter/delivery.ts'
import { createGeneratedObjects, type GeneratedObjects, type ObjectChanges } from './envoy-filter/generated.ts'
import { createUserFilters } from './envoy-patch/user-filters.ts'
import { originOf, type Report, reportId } from './mesh/findings.ts'
import { isForIstio } from './mesh/for-istio.ts'
import { createMesh, type Mesh, type ObjectChange } from './mesh/mesh.ts'
import { type AdsOutput, createAdsOutput } from './outputs/ads.ts'
import { openRouteFiles } from './outputs/route-files.ts'
import type { OriginUpdate } from './sources/source.ts'
import { createStore, type Store, type StoreChange } from './store/store.ts'
import type { VipAllocator } from './vip/allocator.ts'

const log = getLogger(['aeraki', 'control-plane'])

/**
 * Milliseconds from a change to the log's word of what is wrong since then: what settles meanwhile, such as an address that
 * is being given, is not worth a line, and looking at the findings of a large mesh costs more than the change.
 */
const sayAfter = 1000

export interface Pipeline {
  accept(updates: readonly OriginUpdate[]): void
  readonly store: Store
  readonly mesh: Mesh
  readonly output: AdsOutput
  /**
   * What is written to a cluster, and patches the listeners of stock Envoys. Made when it is first asked for, and kept up
   * to date from then on; `listener` is told every change that follows.
   */
  generated(listener?: (changes: ObjectChanges) => void): GeneratedObjects
  /** Tells every change of the store that follows, when the mesh is made of it already. */
  subscribe(listener: (changes: readonly StoreChange[]) => void): void
  /** Of loading, of the store, and of the mesh, now. */
  diagnostics(): Diagnostic[]
  /** Batches that changed at least one object. */
  readonly reloads: number
  /** How long they took, until the server had been told. */
  readonly reloadMs: { readonly total: number; readonly last: number }
}

export interface PipelineOptions {
  readonly vips: VipAllocator
  readonly rootNamespace: string
  /** Of the names of Kubernetes services. Default `cluster.local`. */
  readonly clusterDomain?: string | undefined
  /** Called before the output tells anyone of addresses that were given. */
  readonly saveVips: () => void
  /** Whether stock Envoys know the addresses that are given here: only those that are served by us do. Default true. */
  readonly allocatedAddresses?: boolean
  /** How routes come to the stock Envoys that are served. Default: over ADS. */
  readonly delivery?: RouteDelivery
  /** How routes come to the sidecars of Istio, for which objects are written. Default: inline. */
  readonly istioDelivery?: IstioDelivery | undefined
}

/** Throws AerakiError ENVOY_ROUTE_FILES where routes are delivered in files that can't be written. */
export function createPipeline(options: PipelineOptions): Pipeline {
  const { vips, rootNamespace, saveVips, allocatedAddresses = true, delivery = { kind: 'ads' } } = options
  const istioDelivery = options.istioDelivery ?? { kind: 'inline' }
  const store = createStore()
  const mesh = createMesh(vips, rootNamespace, options.clusterDomain)
  const filters = createUserFilters(rootNamespace)
  const output = createAdsOutput({
    mesh,
    rootNamespace,
    filters,
    delivery,
    routeFiles: delivery.kind === 'files' ? openRouteFiles(delivery.folder) : undefined,
  })
  let reloads = 0
  let totalMs = 0
  let lastMs = 0
  let savedRevision = vips.revision
  let said = new Set<string>()
  let saying: NodeJS.Timeout | undefined
  let generated: GeneratedObjects | undefined
  const listeners = new Set<(changes: ObjectChanges) => void>()
  const followers = new Set<(changes: readonly StoreChange[]) => void>()

  /** Each once: what is written and what is served to stock Envoys is made in the same way. */
  const reports = (): Report[] => {
    const ofMesh = allocatedAddresses ? mesh.reports() : mesh.reports().filter(isForIstio(mesh))
    const all = [...ofMesh, ...filters.reports(), ...output.reports(), ...(generated?.reports() ?? [])]
    return [...new Map(all.map((report) => [reportId(report), report])).values()]
  }

  function say(): void {
    saying = undefined
    said = logNew(said, reports(), mesh)
  }

  return {
    store,
    mesh,
    output,
    generated(listener) {
      if (listener !== undefined) listeners.add(listener)
      if (generated === undefined) {
        generated = createGeneratedObjects({ mesh, rootNamespace, allocatedAddresses, delivery: istioDelivery })
        generated.publish(mesh.everything())
      }
      return generated
    },
    subscribe(listener) {
      followers.add(listener)
    },
    accept(updates) {
      const startedAt = performance.now()
      const changes = store.apply(updates)
      if (changes.length === 0) return
      const before = mesh.recomputed
      const objects = changes.map(({ kind, object }): ObjectChange => ({
        kind: kind === 'removed' ? 'remove' : kind === 'moved' ? kind : 'put',
        object,
      }))
      const change = mesh.apply(objects)
      const patches = filters.apply(objects)
      const edited = changes.filter(({ kind }) => kind !== 'moved').length
      if (edited === 0) return
      reloads += 1
      if (vips.revision !== savedRevision) {
        saveVips()
        savedRevision = vips.revision
      }
      // The ADS output serves what is made of it.
      const written = generated?.publish(change)
      output.publish(change, patches)
      if (written !== undefined) for (const listener of listeners) listener(written)
      for (const follower of followers) follower(changes)
      lastMs = performance.now() - startedAt
      totalMs += lastMs
      log.info('{objects} objects changed, {services} services recomputed', {
        objects: edited,
        services: mesh.recomputed - before,
      })
      saying ??= setTimeout(say, sayAfter).unref()
    },
    diagnostics: () => [
      ...store.diagnostics(),
      ...[...reports(), ...contests(mesh, output)].flatMap((report) => mesh.diagnosticOf(report)),
    ],
    get reloads() {
      return reloads
    },
    get reloadMs() {
      return { total: totalMs, last: lastMs }
    },
  }
}

function logNew(said: ReadonlySet<string>, reports: readonly Report[], mesh: Mesh): Set<string> {
  const now = new Map(reports.map((report) => [reportId(report), report]))
  for (const [id, report] of now) {
    if (said.has(id)) continue
    for (const diagnostic of mesh.diagnosticOf(report)) log.warn('{text}', { text: formatDiagnostic(diagnostic) })
  }
  return new Set(now.keys())
}

/** Services that claim one address and port: the first by namespace and host has it. */
function contests(mesh: Mesh, output: AdsOutput): Report[] {
  return output.contested().flatMap(({ listener, services }) => {
    const [winner, ...losers] = services
    return losers.flatMap((service) => {
      const entry = mesh.entryOf(service.key)
      if (winner === undefined || entry === undefined || service.host === winner.host) return []
      return [
        {
          about: originOf(entry),
          finding: {
            severity: 'warning' as const,
            code: 'MESH_ADDRESS_CONFLICT',
            field: 'spec.addresses',
            value: listener,
            message: `${winner.namespace}/${winner.host} has this address and port already; ${service.host} can't be reached by it`,
            remedy: 'give one of them another address, or none to be given one',
          },
        },
      ]
    })
  })
}
