/** A real ADS client that keeps what it is told. */
import type { Any } from '@bufbuild/protobuf/wkt'
import { createAdsClient } from '@aeraki/xds'
import { type NodeOptions, testNode } from './mesh.ts'

export interface TestClient {
  readonly nodeId: string
  subscribe(typeUrl: string, names: readonly string[] | '*'): void
  /** Sorted. */
  names(typeUrl: string): readonly string[]
  get(typeUrl: string, name: string): Any | undefined
  /** How many responses have come. */
  readonly updates: number
  /** Looks again after each response. */
  until(condition: () => boolean): Promise<void>
  /** Looks again every few milliseconds, for what no response tells. */
  poll(condition: () => boolean | Promise<boolean>): Promise<void>
  close(): Promise<void>
}

export function connectClient(target: string, options: NodeOptions = {}): TestClient {
  const node = testNode(options)
  const resources = new Map<string, Map<string, Any>>()
  let updates = 0
  let wake: (() => void) | undefined
  const client = createAdsClient({
    target,
    node,
    variant: 'delta',
    handler: {
      async onUpdate(typeUrl, update) {
        const known = resources.get(typeUrl) ?? new Map<string, Any>()
        for (const { name, any } of update.changed) known.set(name, any)
        for (const name of update.removed) known.delete(name)
        resources.set(typeUrl, known)
        updates += 1
        wake?.()
      },
      onState() {},
    },
  })
  return {
    nodeId: node.id,
    subscribe: (typeUrl, names) => client.subscribe(typeUrl, names),
    names: (typeUrl) => [...(resources.get(typeUrl)?.keys() ?? [])].toSorted(),
    get: (typeUrl, name) => resources.get(typeUrl)?.get(name),
    get updates() {
      return updates
    },
    async until(condition) {
      while (!condition()) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
    async poll(condition) {
      while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
    },
    close: () => client.close(),
  }
}
