export type { Runtime, RuntimeSnapshot } from './runtime.ts'
