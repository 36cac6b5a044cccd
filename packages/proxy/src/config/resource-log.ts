/**
 * What came, from where and when: what `/config_dump` shows. Keeps for every resource the last one that was accepted and,
 * while it stands, the last one that was refused.
 */
import type { Any } from '@bufbuild/protobuf/wkt'

export type ResourceKind = 'listener' | 'cluster' | 'endpoints' | 'routes'
export const resourceKinds: readonly ResourceKind[] = ['listener', 'cluster', 'endpoints', 'routes']

export interface AcceptedResource {
  readonly source: 'static' | 'dynamic'
  readonly version: string
  readonly any: Any
  readonly at: Date
}

export interface RefusedResource {
  readonly version: string
  readonly any: Any
  readonly at: Date
  readonly details: string
}

export interface ResourceRecord {
  readonly name: string
  readonly accepted: AcceptedResource | undefined
  readonly refused: RefusedResource | undefined
}

export class ResourceLog {
  readonly #records: Readonly<Record<ResourceKind, Map<string, ResourceRecord>>> = {
    listener: new Map(),
    cluster: new Map(),
    endpoints: new Map(),
    routes: new Map(),
  }
  /** Version of the last response that was accepted as a whole, by kind: the ACKed version. */
  readonly versions: Record<ResourceKind, string> = { listener: '', cluster: '', endpoints: '', routes: '' }
  /** Responses: those accepted as a whole, and those with a refused resource. */
  readonly updates: Readonly<Record<ResourceKind, { accepted: number; rejected: number }>> = {
    listener: { accepted: 0, rejected: 0 },
    cluster: { accepted: 0, rejected: 0 },
    endpoints: { accepted: 0, rejected: 0 },
    routes: { accepted: 0, rejected: 0 },
  }

  get(kind: ResourceKind, name: string): ResourceRecord | undefined {
    return this.#records[kind].get(name)
  }

  /** In order of their names. */
  all(kind: ResourceKind): readonly ResourceRecord[] {
    return [...this.#records[kind].values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  accept(kind: ResourceKind, name: string, resource: Omit<AcceptedResource, 'at'>): void {
    this.#records[kind].set(name, { name, accepted: { ...resource, at: new Date() }, refused: undefined })
  }

  refuse(kind: ResourceKind, name: string, resource: Omit<RefusedResource, 'at'>): void {
    const accepted = this.#records[kind].get(name)?.accepted
    this.#records[kind].set(name, { name, accepted, refused: { ...resource, at: new Date() } })
  }

  remove(kind: ResourceKind, name: string): void {
    this.#records[kind].delete(name)
  }
}
