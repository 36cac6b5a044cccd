/** Source -> store -> mesh -> output, one turn for each batch of changes. No network: that is control-plane.ts. */
import { type Diagnostic, formatDiagnostic } from '@aeraki/api'
import { getLogger } from '@logtape/logtape'
import { diagnosticOf } from './mesh/findings.ts'
import { createMesh, type Mesh } from './mesh/mesh.ts'
import { type AdsOutput, createAdsOutput } from './outputs/ads.ts'
import type { OriginUpdate } from './sources/source.ts'
import { createStore, type Store } from './store/store.ts'
import type { VipAllocator } from './vip/allocator.ts'

const log = getLogger(['aeraki', 'control-plane'])

export interface Pipeline {
  accept(updates: readonly OriginUpdate[]): void
  readonly store: Store
  readonly mesh: Mesh
  readonly output: AdsOutput
  /** Of loading, of the store, and of the mesh, now. */
  diagnostics(): Diagnostic[]
  /** Batches that changed at least one object. */
  readonly reloads: number
}

export interface PipelineOptions {
  readonly vips: VipAllocator
  readonly rootNamespace: string
  /** Called before the output tells anyone of addresses that were given. */
  saveVips(): void
}

export function createPipeline({ vips, rootNamespace, saveVips }: PipelineOptions): Pipeline {
  const store = createStore()
  const mesh = createMesh(vips)
  const output = createAdsOutput(mesh, rootNamespace)
  let reloads = 0
  let savedRevision = vips.revision
  let said = new Set<string>()

  return {
    store,
    mesh,
    output,
    accept(updates) {
      const changes = store.apply(updates)
      if (changes.length === 0) return
      reloads += 1
      const before = mesh.recomputed
      const change = mesh.apply(
        changes.map(({ kind, object }) => ({ kind: kind === 'removed' ? 'remove' : 'put', object })),
      )
      if (vips.revision !== savedRevision) {
        saveVips()
        savedRevision = vips.revision
      }
      output.publish(change)
      log.info('{objects} objects changed, {services} services recomputed', {
        objects: changes.length,
        services: mesh.recomputed - before,
      })
      said = logNew(said, mesh.diagnostics())
    },
    diagnostics: () => [...store.diagnostics(), ...mesh.diagnostics(), ...contests(mesh, output)],
    get reloads() {
      return reloads
    },
  }
}

function logNew(said: ReadonlySet<string>, diagnostics: readonly Diagnostic[]): Set<string> {
  const now = new Set(diagnostics.map(formatDiagnostic))
  for (const text of now) if (!said.has(text)) log.warn('{text}', { text })
  return now
}

/** Services that claim one address and port: the first by namespace and host has it. */
function contests(mesh: Mesh, output: AdsOutput): Diagnostic[] {
  return output.contested().flatMap(({ listener, services }) => {
    const [winner, ...losers] = services
    return losers.flatMap((service) => {
      const entry = mesh.entryOf(service.key)
      if (winner === undefined || entry === undefined || service.host === winner.host) return []
      return [
        diagnosticOf(entry, {
          severity: 'warning',
          code: 'MESH_ADDRESS_CONFLICT',
          field: 'spec.addresses',
          value: listener,
          message: `${winner.namespace}/${winner.host} has this address and port already; ${service.host} can't be reached by it`,
          remedy: 'give one of them another address, or none to be given one',
        }),
      ]
    })
  })
}
