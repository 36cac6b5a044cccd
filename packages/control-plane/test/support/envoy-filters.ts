/** What is generated from YAML, by name. */
import { loadResources } from '@aeraki/api'
import { generateFrom, type GenerationOptions } from '../../src/generate.ts'
import type { GeneratedObject } from '../../src/envoy-filter/object.ts'

export interface TestGeneration {
  /** `namespace/name` */
  readonly names: readonly string[]
  readonly get: (name: string) => GeneratedObject
  /** `CODE Kind field` */
  readonly said: readonly string[]
}

export function generateYaml(yaml: string, options: GenerationOptions = {}): TestGeneration {
  const { objects, diagnostics } = generateFrom(loadResources(yaml, 'test.yaml'), options)
  const byName = new Map<string, GeneratedObject>(
    objects.map(({ object }) => [`${object.metadata.namespace}/${object.metadata.name}`, object]),
  )
  return {
    names: [...byName.keys()],
    get(name) {
      const object = byName.get(name)
      if (object === undefined) throw new Error(`no ${name} among ${[...byName.keys()].join(', ')}`)
      return object
    },
    said: diagnostics.map(({ code, kind, field }) => `${code} ${kind} ${field}`),
  }
}

export interface PatchView {
  readonly operation: string | undefined
  readonly listener: string | undefined
  readonly destinationPort: number | undefined
  /** The filter that it looks for. */
  readonly filter: string | undefined
  /** The filter that it brings. */
  readonly name: string
  readonly config: object
}

export function patchesOf(object: GeneratedObject): PatchView[] {
  if (object.kind !== 'EnvoyFilter') throw new Error(`${object.metadata.name} is a ${object.kind}`)
  return (object.spec.configPatches ?? []).map(({ match, patch }) => {
    const value = patch?.value as { name: string; typed_config: { value: object } } | undefined
    const { listener } = match ?? {}
    return {
      operation: patch?.operation,
      listener: listener?.name,
      destinationPort: listener?.filterChain?.destinationPort,
      filter: listener?.filterChain?.filter?.name,
      name: value?.name ?? '',
      config: value?.typed_config.value ?? {},
    }
  })
}
