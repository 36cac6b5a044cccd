/** A `ResourceProvider` in memory that shows every node the same. For tests and small uses. */
import type { Node } from './gen/envoy/config/core/v3/base_pb.ts'
import type { Change, NodeView, Resource, ResourceProvider } from './provider.ts'

export class StaticProvider implements ResourceProvider {
  readonly #byType = new Map<string, Map<string, Resource>>()
  readonly #listeners = new Set<(change: Change) => void>()
  #views = 0

  /** How many views are open. */
  get views(): number {
    return this.#views
  }

  /** Adds or replaces resources (their type is their Any's) and tells it once. */
  set(...resources: readonly Resource[]): void {
    this.update(resources, [])
  }

  delete(typeUrl: string, ...names: readonly string[]): void {
    this.update(
      [],
      names.map((name) => ({ typeUrl, name })),
    )
  }

  /** One change, told once when all of it is done. */
  update(set: readonly Resource[], deleted: readonly { readonly typeUrl: string; readonly name: string }[]): void {
    const change = new Map<string, Set<string>>()
    const touch = (typeUrl: string, name: string): void => {
      const names = change.get(typeUrl) ?? new Set()
      change.set(typeUrl, names.add(name))
    }
    for (const { typeUrl, name } of deleted) {
      if (this.#byType.get(typeUrl)?.delete(name)) touch(typeUrl, name)
    }
    for (const resource of set) {
      const { typeUrl } = resource.any
      const resources = this.#byType.get(typeUrl) ?? new Map<string, Resource>()
      this.#byType.set(typeUrl, resources)
      if (resources.get(resource.name)?.version === resource.version) continue
      resources.set(resource.name, resource)
      touch(typeUrl, resource.name)
    }
    if (change.size === 0) return
    for (const listener of this.#listeners) listener(change)
  }

  connect(_node: Node): NodeView {
    this.#views++
    let open = true
    return {
      names: (typeUrl) => [...(this.#byType.get(typeUrl)?.keys() ?? [])],
      get: (typeUrl, name) => this.#byType.get(typeUrl)?.get(name),
      close: () => {
        if (open) this.#views--
        open = false
      },
    }
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
