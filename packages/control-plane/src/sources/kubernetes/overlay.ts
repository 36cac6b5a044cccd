/**
 * Registries in the control plane of a cluster. What they have is there twice: as the bridge of this process tells it, and
 * as the ServiceEntry that a bridge wrote into the cluster, for istiod, where it has an address and what else others set.
 * To the mesh the two are one object, under the origin of the second: what the bridge says, over what stands there.
 *
 *   registry   cluster          the mesh has
 *   -          any              the cluster's: so what was known serves until every registry has been read
 *   any        -                the registry's: it is written just now, or cannot be
 *   any        a bridge's       the registry's fields, and those that only the cluster's has
 *   any        somebody else's  the cluster's, as istiod has it; the writer says whose name is taken
 */
import { isKind, type LoadedObject, type ObjectOf } from '@aeraki/api'
import { managedBy } from '@aeraki/registries'
import { entryOfOrigin } from '../registry.ts'
import type { OriginUpdate, SourceListener } from '../source.ts'

export interface Overlay {
  /** For the source of the cluster. */
  readonly cluster: SourceListener
  /** For the source of the registries. */
  readonly registries: SourceListener
}

const entryPrefix = 'ServiceEntry/'

export function overlayRegistries(listener: SourceListener): Overlay {
  /** By origin, those that are present. */
  const standing = new Map<string, OriginUpdate>()
  const bridged = new Map<string, OriginUpdate>()

  function take(layer: Map<string, OriginUpdate>, origin: string, update: OriginUpdate): OriginUpdate {
    if (update.state === 'present') layer.set(origin, update)
    else layer.delete(origin)
    const below = standing.get(origin)
    const above = bridged.get(origin)
    if (above === undefined) return { ...(below ?? update), origin }
    return { ...(below === undefined ? above : over(above, below)), origin }
  }

  return {
    cluster: (updates) =>
      listener(
        updates.map((update) =>
          update.origin.startsWith(entryPrefix) ? take(standing, update.origin, update) : update,
        ),
      ),
    registries: (updates) =>
      listener(updates.map((update) => take(bridged, `${entryPrefix}${entryOfOrigin(update.origin)}`, update))),
  }
}

function over(above: OriginUpdate, below: OriginUpdate): OriginUpdate {
  const entry = below.objects.find((object) => isKind(object, 'ServiceEntry'))
  // One that is broken in the cluster is put right by the writer.
  if (entry === undefined) return above
  if (entry.metadata.labels['manager'] !== managedBy.manager) return below
  return { ...above, objects: above.objects.map((object) => merged(object, entry)) }
}

function merged(object: LoadedObject, entry: ObjectOf<'ServiceEntry'>): LoadedObject {
  if (!isKind(object, 'ServiceEntry')) return object
  const { metadata, spec } = object
  const labels = { ...entry.metadata.labels, ...metadata.labels }
  const annotations = { ...entry.metadata.annotations, ...metadata.annotations }
  // Not its resourceVersion: what was written for this very change is no change when it is seen in the cluster.
  const { creationTimestamp } = entry.metadata
  return {
    ...object,
    metadata: { ...metadata, ...(creationTimestamp === undefined ? {} : { creationTimestamp }), labels, annotations },
    spec: { ...entry.spec, ...spec },
  }
}
