/**
 * Filters that services need and that connected Envoys lack. Such a filter is left out, and the port stays plain TCP: that is
 * said of the ServiceEntry, with the proxies that are concerned.
 */
import { originOf, type Report } from '../mesh/findings.ts'
import type { Mesh } from '../mesh/mesh.ts'
import { isVisible, type Service } from '../mesh/model.ts'
import type { NodeIdentity } from './node.ts'

export interface MissingFilters {
  /** Returns what to call when it leaves. */
  connect(identity: NodeIdentity): () => void
  reports(): Report[]
}

export interface MissingFiltersOptions {
  readonly mesh: Mesh
  /** The services that Envoys were served, with the types of the filters that theirs have. */
  readonly needs: () => Iterable<{ readonly service: Service; readonly filterTypes: ReadonlySet<string> }>
}

/** Proxies with the same filters: of ten thousand there are mostly one or two kinds. */
interface Build {
  readonly filterTypes: ReadonlySet<string>
  readonly nodes: Set<NodeIdentity>
}

export function createMissingFilters({ mesh, needs }: MissingFiltersOptions): MissingFilters {
  const builds = new Map<string, Build>()
  return {
    connect(identity) {
      const { filterTypes } = identity
      if (filterTypes === undefined) return () => {}
      const key = [...filterTypes].toSorted().join()
      const build = builds.get(key) ?? { filterTypes, nodes: new Set() }
      builds.set(key, build)
      build.nodes.add(identity)
      return () => {
        build.nodes.delete(identity)
        if (build.nodes.size === 0 && builds.get(key) === build) builds.delete(key)
      }
    },
    reports: () => {
      if (builds.size === 0) return []
      return [...needs()].flatMap(({ service, filterTypes }) =>
        [...filterTypes].flatMap((type) => reportOf(service, type, mesh, without(type, service, builds.values()))),
      )
    },
  }
}

/** The names of the proxies that see the service and lack the filter. */
function without(type: string, { exportTo }: Service, builds: Iterable<Build>): string[] {
  return [...builds]
    .filter(({ filterTypes }) => !filterTypes.has(type))
    .flatMap(({ nodes }) => [...nodes].filter(({ namespace }) => isVisible(exportTo, namespace)).map(({ id }) => id))
    .toSorted()
}

function reportOf({ key, host }: Service, type: string, mesh: Mesh, [first, ...others]: readonly string[]): Report[] {
  const entry = mesh.entryOf(key)
  if (first === undefined || entry === undefined) return []
  const nodes = others.length === 0 ? first : `${first} and ${others.length} more`
  return [
    {
      about: originOf(entry),
      finding: {
        severity: 'warning',
        code: 'ENVOY_MISSING_FILTER',
        field: 'spec.ports',
        value: type,
        message: `${nodes} has no filter of this type: there ${host} stays plain TCP`,
        remedy: "run an Envoy that has it (MySQL's, PostgreSQL's and Kafka's are in envoyproxy/envoy:contrib-...)",
        standalone: true,
      },
    },
  ]
}
