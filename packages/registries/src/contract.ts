/**
 * What a registry connector is.
 *
 * A connector reads **units**: whatever its registry lists in one go, such as the providers of one interface, one Consul
 * service or one Eureka application. It tells the sink the whole of a unit whenever it may have changed, as
 * registrations: one provider's offer to serve one host on one port. Everything else is the same for all registries and
 * happens behind the sink: grouping by host, de-duplication, grace after deletion, protection from sudden emptiness,
 * merging with other registries, status and metrics.
 *
 *   start -> connection(connecting) -> connection(connected) -> unit... -> synced -> unit... (changes)
 *         -> connection(disconnected) -> connection(connected) -> unit... -> synced -> ...
 */
import type { Static, TSchema } from 'typebox'

export interface Registry {
  /**
   * Begins, and returns at once: a registry that cannot be reached is tried again for ever, with backoff. Never throws
   * for anything that the registry or the network does.
   */
  start(sink: RegistrySink): void
  /** Ends connections, timers and calls to the sink. Idempotent. */
  close(): Promise<void>
  progress(): Progress
}

/** How far the connector is behind its registry. */
export interface Progress {
  /** `Date.now()` of the last sign of life, such as an answer or a heartbeat; undefined before the first. */
  readonly heardAt: number | undefined
  /** Units that are known to have changed and are not read yet. */
  readonly pending: number
}

export interface RegistrySink {
  /** The whole of one unit now; one that is gone or has no provider has no registrations. */
  unit(key: string, contents: UnitContents): void
  /**
   * Everything has been told once since the connection was made: these are all units there are. What was known before
   * and is not among them is gone.
   */
  synced(units: Iterable<string>): void
  connection(state: ConnectionState): void
}

export type ConnectionState =
  | { readonly kind: 'connecting'; readonly attempt: number }
  /** `server`: which of the configured ones. */
  | { readonly kind: 'connected'; readonly server: string }
  /** What the registry said is kept and marked stale. `reason`: for people. */
  | { readonly kind: 'disconnected'; readonly reason: string }

export interface UnitContents {
  readonly registrations: readonly Registration[]
  /** Those that can't be used. Each belongs to one provider and takes nothing else down. */
  readonly rejections: readonly Rejection[]
}

/** One provider serves one host on one port. */
export interface Registration {
  /** Which provider, in the registry's own words: a URL, an instance id. Shortened when it is shown. */
  readonly provider: string
  /** See names.ts. Valid and lower case. */
  readonly host: string
  /** As spelled by the registry; two of them that differ only by case compete for a host. */
  readonly interface: string
  /** Undefined: the default of the configuration. */
  readonly namespace: string | undefined
  readonly workloadSelector: string | undefined
  /** An IP address, v6 without brackets. */
  readonly address: string
  readonly port: { readonly protocol: ApplicationProtocol; readonly number: number }
  /**
   * What tells two processes on one address apart, such as a process id; registrations of one host, address and process
   * are the ports of one instance.
   */
  readonly process: string
  /** 1 to 1,000,000; 100 is the usual one, as Dubbo has it. */
  readonly weight: number
  /** Undefined where the registry does not say. */
  readonly locality: string | undefined
  readonly labels: Readonly<Record<string, string>>
  /** Undefined: the default of the configuration. */
  readonly serviceAccount: string | undefined
  /** An unhealthy one gets no traffic, and is shown as REGISTRATION_UNHEALTHY. */
  readonly health: 'healthy' | 'unhealthy'
  /**
   * A provider may be listed twice, by interface and by application. The registration with the higher rank counts, as
   * it says more: 1 for those by interface, 0 for others.
   */
  readonly rank: 0 | 1
}

/** What a provider speaks, such as `dubbo`, `tri`, `rest`, `grpc`, `http`: lower case; ports.ts gives its port a name. */
export type ApplicationProtocol = string

export interface Rejection {
  readonly provider: string
  readonly code: RejectionCode
  /** For people: what is wrong with which value. */
  readonly reason: string
}

/** docs/errors.md explains each. */
export type RejectionCode =
  | 'REGISTRATION_MALFORMED'
  | 'REGISTRATION_ADDRESS'
  | 'REGISTRATION_PORT'
  | 'REGISTRATION_HOST'
  | 'REGISTRATION_NAMESPACE'
  | 'REGISTRATION_DISABLED'
  | 'REGISTRATION_UNHEALTHY'
  | 'REGISTRATION_NO_METADATA'
  | 'REGISTRATION_TOO_LARGE'
  | 'REGISTRATION_CONFLICT'
  | 'REGISTRATION_PROTOCOL'

/** A line of the catalogue. */
export interface RegistryType {
  /** As `type:` says it in the configuration. */
  readonly type: string
  /** Of the fields beside `name` and `type`. */
  readonly schema: TSchema
  /** @param settings checked by the schema */
  create(name: string, settings: unknown): Registry
}

export function defineRegistry<S extends TSchema>(
  type: string,
  schema: S,
  create: (name: string, settings: Static<S>) => Registry,
): RegistryType {
  return { type, schema, create: (name, settings) => create(name, settings as Static<S>) }
}
