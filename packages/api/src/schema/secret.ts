/** Kubernetes Secret (v1), as far as passwords of Redis need it. It has no `spec`: its own fields stand in its place. */
import { type Static, Type } from 'typebox'
import { closed, mapOf } from './builders.ts'

export const Secret = closed({
  type: Type.Optional(Type.String()),
  data: Type.Optional(mapOf(Type.String(), { description: 'Base64.' })),
  stringData: Type.Optional(mapOf(Type.String(), { description: 'Plain text; wins over `data`.' })),
  immutable: Type.Optional(Type.Boolean()),
})
export type Secret = Static<typeof Secret>
