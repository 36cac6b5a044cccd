/**
 * The patches that hold for a proxy, in Istio's order: by priority, those of the root namespace before those of the
 * proxy's own, the older first, then by name. A patch that names its listener or cluster is found by that name, so that a
 * mesh of ten thousand services with a patch each costs no more per service than a mesh of one.
 */
import { selects } from '@aeraki/api'
import { type PatchFile, type Patch, isFor } from './patch.ts'

/** What of a proxy decides which patches it gets. */
export interface PatchedProxy {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  /** Of its node, where values are texts. */
  readonly metadata: Readonly<Record<string, string>>
  /** As Istio's proxies say it; empty where it is not said. */
  readonly version: string
  /** The types of network filters that it has; undefined where it does not say. */
  readonly filterTypes: ReadonlySet<string> | undefined
}

export interface PatchSet {
  /**
   * Without those whose filter the proxy does not have. `made`: what this program itself adds for the service; it counts
   * as the oldest of priority 0.
   */
  forListener(name: string, made?: readonly Patch[]): readonly Patch[]
  forCluster(name: string, made?: readonly Patch[]): readonly Patch[]
  /** Patches that bring something new: listeners, clusters, extension configurations. */
  readonly additions: readonly Patch[]
}

/** `files` in any order. */
export function patchesFor(proxy: PatchedProxy, files: readonly PatchFile[], rootNamespace: string): PatchSet {
  const chosen = files.filter((file) => isChosen(file, proxy, rootNamespace))
  const placed = inOrder(chosen, rootNamespace).map((file) => ({
    file,
    patches: file.patches.filter((patch) => suits(patch, proxy)),
  }))
  return createPatchSet(
    (patch) => hasFilter(proxy, patch),
    placed.filter(({ file }) => file.priority < 0).flatMap(({ patches }) => patches),
    placed.filter(({ file }) => file.priority >= 0).flatMap(({ patches }) => patches),
  )
}

function createPatchSet(usable: Usable, early: readonly Patch[], late: readonly Patch[]): PatchSet {
  const patches = [...early, ...late]
  const additions = patches.filter(isAddition)
  const changes = patches
    .map((patch, at): Placed => ({ patch, at: at - early.length }))
    .filter(({ patch }) => !isAddition(patch))
  const listeners = new ByName(
    changes.filter(({ patch }) => !isFor(patch, 'CLUSTER')),
    listenerNameOf,
  )
  const clusters = new ByName(
    changes.filter(({ patch }) => isFor(patch, 'CLUSTER')),
    clusterNameOf,
  )
  return {
    additions,
    forListener: (name, made = []) => listeners.get(name, made).filter(usable),
    forCluster: (name, made = []) => clusters.get(name, made),
  }
}

type Usable = (patch: Patch) => boolean

function isAddition(patch: Patch): boolean {
  return (
    isFor(patch, 'EXTENSION_CONFIG') ||
    (patch.operation === 'ADD' && (isFor(patch, 'LISTENER') || isFor(patch, 'CLUSTER')))
  )
}

function inOrder(files: readonly PatchFile[], rootNamespace: string): PatchFile[] {
  const rank = (file: PatchFile): (number | string)[] => [
    file.priority,
    file.namespace === rootNamespace ? 0 : 1,
    file.createdAt === undefined ? '' : file.createdAt,
    `${file.name}.${file.namespace}`,
  ]
  const ranked = files.map((file) => ({ file, rank: rank(file) }))
  return ranked.toSorted((a, b) => compare(a.rank, b.rank)).map(({ file }) => file)
}

function compare(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (const [index, part] of a.entries()) {
    const other = b[index] ?? part
    if (part !== other) return part < other ? -1 : 1
  }
  return 0
}

function isChosen(file: PatchFile, proxy: PatchedProxy, rootNamespace: string): boolean {
  if (file.namespace !== rootNamespace && file.namespace !== proxy.namespace) return false
  return file.workloadSelector === undefined || selects(file.workloadSelector, proxy.labels)
}

function suits({ match, suitsVersion }: Patch, proxy: PatchedProxy): boolean {
  if (!suitsVersion(proxy.version)) return false
  return Object.entries(match.proxy?.metadata ?? {}).every(([key, value]) => proxy.metadata[key] === value)
}

/** A filter that an Envoy does not have would cost it the whole listener: without it, it is plain TCP. */
export function hasFilter({ filterTypes }: PatchedProxy, { filterType }: Patch): boolean {
  return filterType === undefined || filterTypes === undefined || filterTypes.has(filterType)
}

/** Empty: for any. */
export function listenerNameOf({ match }: Patch): string {
  return match.listener?.name ?? ''
}

/** Empty: for any. */
export function clusterNameOf({ match }: Patch): string {
  const name = match.cluster?.['name']
  return typeof name === 'string' ? name : ''
}

interface Placed {
  readonly patch: Patch
  /** Below 0: before what this program makes. */
  readonly at: number
}

/** Those for a name, and those for any. */
class ByName {
  readonly #named = new Map<string, Placed[]>()
  readonly #general: readonly Placed[]

  constructor(patches: readonly Placed[], nameOf: (patch: Patch) => string) {
    this.#general = patches.filter(({ patch }) => nameOf(patch) === '')
    for (const placed of patches) {
      const name = nameOf(placed.patch)
      if (name !== '') this.#named.set(name, [...(this.#named.get(name) ?? []), placed])
    }
  }

  get(name: string, made: readonly Patch[]): Patch[] {
    const named = this.#named.get(name) ?? []
    const placed = [...named, ...this.#general].toSorted((a, b) => a.at - b.at)
    const late = placed.findIndex(({ at }) => at >= 0)
    const patches = placed.map(({ patch }) => patch)
    return patches.toSpliced(late === -1 ? patches.length : late, 0, ...made)
  }
}
