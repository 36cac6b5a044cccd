/** What an admin page shows of the clients. */
import type { Node } from '../gen/envoy/config/core/v3/base_pb.ts'

/** One stream. A node that has several streams has several of these. */
export interface ClientView {
  readonly stream: number
  /** Undefined until the first request. */
  readonly node: Node | undefined
  readonly nodeId: string
  readonly variant: 'state-of-the-world' | 'delta'
  readonly service: 'ads' | 'rds'
  /** `host:port` of the client. */
  readonly peer: string
  readonly connectedAt: Date
  readonly types: readonly TypeView[]
}

export interface TypeView {
  readonly typeUrl: string
  readonly wildcard: boolean
  /** What is subscribed by name. */
  readonly names: readonly string[]
  /** Responses. */
  readonly sent: number
  readonly acks: number
  readonly nacks: number
  /** Undefined before the first response, and before the first ACK. */
  readonly sentVersion: string | undefined
  readonly ackedVersion: string | undefined
  /** The last response has been neither ACKed nor NACKed yet. */
  readonly pending: boolean
  readonly lastNack: Nack | undefined
}

export interface Nack {
  readonly version: string
  readonly reason: string
  readonly at: Date
  /** What was new in the response; at least one of them is at fault. */
  readonly resources: readonly string[]
  /** The client has accepted a response since. */
  readonly resolved: boolean
}
