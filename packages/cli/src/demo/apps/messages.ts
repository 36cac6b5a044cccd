/** What the demo's apps and the demo tell each other, over Node's channel between parent and child process. */

/** From a provider: it accepts connections. */
export interface ProviderReady {
  readonly type: 'listening'
  readonly port: number
}

/** What a provider answers to `sayHello`: who it is, and what it saw. */
export interface Greeting {
  readonly message: string
  /** Its provider group, such as `v1`. */
  readonly group: string
  /** Attachments of the call that the demo follows; the empty string where there was none. */
  readonly tracing: string
  readonly revision: string
}

/** One kind of call that the consumer makes, and how often. */
export interface CallKind {
  /** As the view shows it, such as `batchJob=true`; the empty string for plain calls. */
  readonly name: string
  readonly attachments: Readonly<Record<string, string>>
  /** Calls of this kind for each turn through all kinds. */
  readonly share: number
}

/** The consumer's command line, as one JSON argument. */
export interface ConsumerPlan {
  readonly address: string
  readonly connections: number
  /** Calls per second, all connections together; fewer when answers are late. */
  readonly rate: number
  /** Calls that may wait for an answer at a time, all connections together. */
  readonly concurrency: number
  readonly kinds: readonly CallKind[]
}

/** Calls that were alike in everything that is measured. */
export interface CallCount {
  readonly kind: string
  readonly group: string
  readonly tracing: string
  readonly revision: string
  readonly count: number
}

export interface Latency {
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

/** From the consumer, ten times a second: all it has measured since its start. */
export interface ConsumerReport {
  readonly type: 'report'
  /** Calls that have ended. */
  readonly requests: number
  readonly failed: number
  /** The newest failures' messages, at most five. */
  readonly failures: readonly string[]
  readonly calls: readonly CallCount[]
  /** Over the whole run. */
  readonly latency: Latency
  /** Over the last two seconds: all, and by group. */
  readonly recentLatency: Latency
  readonly recent: Readonly<Record<string, Latency>>
  readonly connectionsOpened: number
  /** Closed by anyone but the consumer. */
  readonly connectionsDropped: number
}

/** To the consumer: make no more calls, wait for the answers, send a last report with `done`. */
export interface StopCalling {
  readonly type: 'stop'
}

export interface ConsumerDone {
  readonly type: 'done'
  readonly report: ConsumerReport
}

/** From either: it cannot go on. */
export interface AppFailed {
  readonly type: 'failed'
  readonly message: string
}

export type FromApp = ProviderReady | ConsumerReport | ConsumerDone | AppFailed
