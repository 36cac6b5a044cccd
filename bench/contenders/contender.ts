/** A proxy of the comparison: how it is started for one piece of work, the same for all. */
import type { WireName } from '../load/wire.ts'

export interface Contender {
  /** As in the tables. */
  readonly name: string
  /** Whether it reads requests (layer 7) or passes bytes on (layer 4). */
  readonly layer: 4 | 7
  readonly wires: readonly WireName[]
  /** Requests of several clients share a connection to a server, where the protocol allows it. */
  readonly multiplexes?: true
  /** Writes its configuration into `folder`; undefined: the load talks to the backend itself. */
  launch(work: Work, folder: string): Launch | undefined
}

/** What the proxy is to do. */
export interface Work {
  readonly wire: WireName
  /** Where it is to listen. */
  readonly port: number
  /** The destinations of the weighted split, half each. */
  readonly backends: readonly [Endpoints, Endpoints]
  /** Threads that serve connections: as many cores are the proxy's. */
  readonly workers: number
  /** Rules by method before the one that matches. */
  readonly rules: number
}

export type Endpoints = readonly { readonly host: string; readonly port: number }[]

export interface Launch {
  readonly command: string
  readonly args: readonly string[]
}

/** The methods of the rules before the one that matches. */
export function otherMethods(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `method${index}`)
}
