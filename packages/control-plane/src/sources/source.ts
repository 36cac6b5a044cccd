/**
 * Where configuration comes from: a folder today. A source says what each of its origins holds now; the store works out
 * what was added, changed and removed.
 */
import type { Diagnostic, LoadedObject } from '@aeraki/api'

export interface Source {
  /**
   * Reads everything once, tells it in one call, and goes on telling changes until `close`. Resolves after the first
   * call. Throws `SOURCE_UNREADABLE` if there is nothing to read from.
   */
  start(listener: SourceListener): Promise<void>
  close(): Promise<void>
}

/** Called with all that changed at one time. */
export type SourceListener = (updates: readonly OriginUpdate[]) => void

/** The whole of what one origin (a file, a Kubernetes object) holds now. */
export interface OriginUpdate {
  /** Unique in the source; the store breaks ties between origins in the order of these names. */
  readonly origin: string
  /** `removed`: it is gone, and with it what it held. */
  readonly state: 'present' | 'removed'
  readonly objects: readonly LoadedObject[]
  /** Errors in it. An object they name is there but broken; one that names none may have hidden any object. */
  readonly diagnostics: readonly Diagnostic[]
}
