import assert from 'node:assert/strict'
import type { Manifest } from '../src/install/chart.ts'

export const podSpec = 'spec.template.spec'
export const container = `${podSpec}.containers.0`

/** What is at a path of the object of that kind and name; numbers are places in lists. */
export function at(list: readonly Manifest[], kind: string, name: string, path: string): unknown {
  const object = list.find((each) => each['kind'] === kind && (each['metadata'] as { name?: unknown }).name === name)
  assert.ok(object !== undefined, `${kind} ${name}`)
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], object)
}
