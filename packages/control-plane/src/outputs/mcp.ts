/**
 * Objects to istiod (or any other client of configuration) over MCP-over-xDS, on the port that serves proxies: a node says
 * which of the two it is. Every kind that is asked for is answered, if only with nothing, for istiod is not ready before;
 * and under the very name that it was asked for.
 */
import { getLogger } from '@logtape/logtape'
import type { NodeView, Resource, ResourceProvider } from '@aeraki/xds'
import type { Node } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import { collectionsOf, kindOfCollection, type McpKind } from '../mcp/collections.ts'
import { mcpName, type McpObject, toMcp } from '../mcp/objects.ts'

const log = getLogger(['aeraki', 'control-plane', 'mcp'])

export interface McpOutput {
  /** What a client of configuration sees; every one the same. */
  readonly view: NodeView
  /** Replaces what is served. Objects that can't be sent are left out as they were before, with an error in the log. */
  publish(change: McpChange): void
  onChange: ResourceProvider['onChange']
}

export interface McpChange {
  readonly put: readonly McpObject[]
  readonly removed: readonly Pick<McpObject, 'kind' | 'metadata'>[]
}

/** What istiod reads of one message at most, unless told otherwise (ISTIO_GPRC_MAXRECVMSGSIZE). Bytes. */
const istiodLimit = 4 * 1024 * 1024

/** Whether the node asks for configuration objects rather than for a proxy's configuration. */
export function isMcpClient({ metadata }: Node): boolean {
  return metadata?.['GENERATOR'] === 'api'
}

export function createMcpOutput(): McpOutput {
  const collections = new Map<McpKind, Collection>()
  const subscribers = new Set<Parameters<ResourceProvider['onChange']>[0]>()

  function collection(kind: McpKind): Collection {
    const known = collections.get(kind) ?? new Collection(kind)
    collections.set(kind, known)
    return known
  }

  function resources(typeUrl: string): ReadonlyMap<string, Resource> | undefined {
    const kind = kindOfCollection(typeUrl)
    return kind === undefined ? undefined : collections.get(kind)?.resources
  }

  return {
    view: {
      names: (typeUrl) => [...(resources(typeUrl)?.keys() ?? [])].toSorted(),
      get: (typeUrl, name) => resources(typeUrl)?.get(name),
      close() {},
    },
    publish(change) {
      const touched = new Map<McpKind, Set<string>>()
      const touch = (object: Pick<McpObject, 'kind' | 'metadata'>): void => {
        touched.set(object.kind, (touched.get(object.kind) ?? new Set()).add(mcpName(object)))
      }
      for (const object of change.removed) if (collection(object.kind).remove(mcpName(object))) touch(object)
      for (const object of change.put) if (collection(object.kind).put(object)) touch(object)
      const named = [...touched].flatMap(([kind, names]) =>
        collectionsOf(kind).map((typeUrl) => [typeUrl, names] as const),
      )
      if (named.length > 0) for (const subscriber of subscribers) subscriber(new Map(named))
    },
    onChange(subscriber) {
      subscribers.add(subscriber)
      return () => subscribers.delete(subscriber)
    },
  }
}

/** The objects of a kind, ready to be sent. */
class Collection {
  readonly resources = new Map<string, Resource>()
  readonly #kind: McpKind
  #bytes = 0
  #warned = false

  constructor(kind: McpKind) {
    this.#kind = kind
  }

  /** Whether that made a difference. */
  put(object: McpObject): boolean {
    const name = mcpName(object)
    try {
      const resource = toMcp(object)
      const before = this.resources.get(name)
      if (before?.version === resource.version) return false
      this.resources.set(name, resource)
      this.#grow(sizeOf(resource) - sizeOf(before))
      return true
    } catch (error) {
      log.error('{error}', { error })
      return false
    }
  }

  remove(name: string): boolean {
    this.#grow(-sizeOf(this.resources.get(name)))
    return this.resources.delete(name)
  }

  #grow(bytes: number): void {
    this.#bytes += bytes
    const tooLarge = this.#bytes > istiodLimit
    if (tooLarge && !this.#warned) {
      log.warn(
        'all {kind}s together have {bytes} bytes: more than istiod takes in one message unless its environment says ISTIO_GPRC_MAXRECVMSGSIZE',
        { kind: this.#kind, bytes: this.#bytes },
      )
    }
    this.#warned = tooLarge
  }
}

function sizeOf(resource: Resource | undefined): number {
  return resource?.any.value.length ?? 0
}

/** One provider for both sorts of clients. `fill` is called once, before the first client of configuration is answered. */
export function withMcp(proxies: ResourceProvider, mcp: McpOutput, fill: () => void): ResourceProvider {
  let filled = false
  return {
    connect(node) {
      if (!isMcpClient(node)) return proxies.connect(node)
      if (!filled) fill()
      filled = true
      return mcp.view
    },
    onChange(listener) {
      const stops = [proxies.onChange(listener), mcp.onChange(listener)]
      return () => {
        for (const stop of stops) stop()
      }
    },
  }
}
