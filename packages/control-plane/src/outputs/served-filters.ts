/**
 * What Aeraki makes for the stock Envoys that it serves itself: of each service the very EnvoyFilters that Istio would get,
 * but for the way routes come. A service's are made when an Envoy first asks, and again when what they were made of changes.
 */
import { fromJson, type JsonObject } from '@bufbuild/protobuf'
import type { Resource } from '@aeraki/xds'
import {
  type BuildContext,
  type Built,
  buildServiceFilters,
  type EnvoyContext,
  type ServiceRoutes,
} from '../envoy-filter/service.ts'
import { virtualInbound } from '../envoy-patch/match.ts'
import type { GeneratedObject } from '../envoy-filter/object.ts'
import { filterTypeOf, parseFilter } from '../envoy-patch/parse.ts'
import { listenerNameOf } from '../envoy-patch/patch-set.ts'
import { createDependencies } from '../mesh/dependencies.ts'
import type { Report } from '../mesh/findings.ts'
import type { MeshChange } from '../mesh/mesh.ts'
import type { Service, ServiceKey } from '../mesh/model.ts'
import type { MadePatches } from '../translate/envoy-resources.ts'
import { toResource } from '../translate/resource.ts'

export interface ServedFilters {
  /** After each change of the mesh. Returns the services for which something else is made than before. */
  publish(change: MeshChange): ReadonlySet<ServiceKey>
  /** The same object as long as the same is made. */
  made(service: Service): Made
  /** The services that Envoys have asked for, each with the types of the filters that it has. */
  needs(): Iterable<{ readonly service: Service; readonly filterTypes: ReadonlySet<string> }>
  reports(): readonly Report[]
}

export interface Made {
  readonly routes: readonly ServiceRoutes[]
  readonly filterTypes: ReadonlySet<string>
  /** For clients of the namespace. */
  for(namespace: string): MadePatches
}

export function createServedFilters(options: EnvoyContext): ServedFilters {
  const context: BuildContext = { ...options, lastSecrets: new Map() }
  const { mesh, rootNamespace } = context
  const built = new Map<ServiceKey, { readonly made: Made; readonly from: Built }>()
  const dependencies = createDependencies<ServiceKey>()

  function build(service: Service): Built {
    const from = buildServiceFilters(service, context)
    dependencies.record(service.key, from.facts)
    return from
  }

  return {
    publish(change) {
      const dirty = new Set(change.services.map(({ before, after }) => (after ?? before)?.key ?? ''))
      const facts = [...change.facts, ...[...dirty].map((key) => `built:${key}`)]
      for (const fact of facts) for (const reader of dependencies.readersOf(fact)) dirty.add(reader)
      const changed = new Set<ServiceKey>()
      for (const key of dirty) {
        const known = built.get(key)
        if (known === undefined) continue
        const service = mesh.service(key)
        const from = service && build(service)
        if (from === undefined) {
          built.delete(key)
          dependencies.forget(key)
          changed.add(key)
        } else if (contentOf(from) === contentOf(known.from)) {
          built.set(key, { ...known, from })
        } else {
          built.set(key, { from, made: madeOf(from, rootNamespace) })
          changed.add(key)
        }
      }
      return changed
    },
    made(service) {
      const known = built.get(service.key)
      if (known !== undefined) return known.made
      const from = build(service)
      const made = madeOf(from, rootNamespace)
      built.set(service.key, { from, made })
      return made
    },
    needs: () =>
      [...built].flatMap(([key, { made }]) => {
        const service = mesh.service(key)
        return service === undefined ? [] : [{ service, filterTypes: made.filterTypes }]
      }),
    reports: () => [...built.values()].flatMap(({ from }) => from.reports),
  }
}

function contentOf({ objects, routes }: Built): string {
  return JSON.stringify([
    objects,
    routes.map(({ namespace, file, routes: { resourceName, config } }) => [namespace, file, resourceName, config]),
  ])
}

function madeOf({ objects, routes }: Built, rootNamespace: string): Made {
  return {
    routes,
    filterTypes: new Set(objects.flatMap(filterTypesOf)),
    for: (namespace) => ({
      patches: objects.flatMap((object) => {
        if (object.kind !== 'EnvoyFilter') return []
        const isForClient = object.metadata.namespace === rootNamespace || object.metadata.namespace === namespace
        const { patches } = parseFilter(object, ({ field, message }) => {
          throw new TypeError(`${object.metadata.name} ${field}: ${message}`)
        })
        // Whose workload it is, its address says.
        return patches.filter((patch) => isForClient || listenerNameOf(patch) === virtualInbound)
      }),
      routes: routesFor(routes, namespace).map(resourceOf),
    }),
  }
}

function filterTypesOf(object: GeneratedObject): string[] {
  if (object.kind !== 'EnvoyFilter') return []
  return (object.spec.configPatches ?? []).flatMap(({ applyTo, patch }) => {
    const value = patch?.value as JsonObject | undefined
    return applyTo === 'NETWORK_FILTER' && value !== undefined ? (filterTypeOf(value) ?? []) : []
  })
}

/** Those of the namespace, else those for all others. */
function routesFor(all: readonly ServiceRoutes[], namespace: string): ServiceRoutes[] {
  const own = all.filter((each) => each.namespace === namespace)
  const names = new Set(own.map(({ routes }) => routes.resourceName))
  return [...own, ...all.filter((each) => each.namespace === '' && !names.has(each.routes.resourceName))]
}

function resourceOf({ routes: { schema, resourceName, config } }: ServiceRoutes): Resource {
  return toResource(schema, resourceName, fromJson(schema, config))
}
