/**
 * Leader election by a Lease, with the rules of client-go's leaderelection, so that it can be watched and taken over
 * with the usual tools. Clocks of machines are never compared: a record counts as fresh for its duration after this
 * process saw it change.
 *
 *   acquire: every retry period (jittered), take the lease if nobody holds it or its holder did not renew it in time
 *   renew:   every retry period; a leader that could not for the renew deadline stops being one
 *   release: on close, the lease is given up, so that another one need not wait
 *
 * lease duration > renew deadline > retry period: a leader knows that it is none before another one may be.
 * https://kubernetes.io/docs/concepts/architecture/leases/
 */
import { setTimeout } from 'node:timers/promises'
import { getLogger } from '@logtape/logtape'
import type { KubernetesClient } from './client.ts'
import { statusOf } from './errors.ts'
import type { Metadata } from './object.ts'
import { core, pathOf } from './resources.ts'

const log = getLogger(['aeraki', 'kubernetes', 'leader'])

export interface ElectionOptions {
  readonly client: KubernetesClient
  readonly namespace: string
  /** Of the Lease. */
  readonly name: string
  /** Of this process: unique. */
  readonly identity: string
  /** Milliseconds; default 15 s, 10 s and 2 s. */
  readonly leaseMs?: number
  readonly renewDeadlineMs?: number
  readonly retryMs?: number
  /** Called when this process has become the leader, or is it no more. */
  readonly onChange: (leads: boolean) => void
}

export interface Election {
  /** Looks at the clock: to be asked right before each write. */
  readonly leads: boolean
  /** Who holds the lease, as last seen; empty for nobody. */
  readonly holder: string
  /** Gives the lease up. */
  close(): Promise<void>
}

interface LeaseSpec {
  readonly holderIdentity?: string | null
  readonly leaseDurationSeconds?: number
  /** RFC 3339 with microseconds. */
  readonly acquireTime?: string
  readonly renewTime?: string
  readonly leaseTransitions?: number
}

interface Lease {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Metadata
  readonly spec?: LeaseSpec
}

/** Spreads the tries of those that wait. */
const jitter = 1.2

/** Starts at once. */
export function startElection(options: ElectionOptions): Election {
  const { client, namespace, name, identity } = options
  const leaseMs = options.leaseMs ?? 15_000
  const renewDeadlineMs = options.renewDeadlineMs ?? 10_000
  const retryMs = options.retryMs ?? 2000
  const closing = new AbortController()
  const path = pathOf(core.leases, namespace, name)
  let observed: Lease | undefined
  /** When the record was seen to change. */
  let observedAt = 0
  /** When the request was sent that made or kept us the leader; undefined: we are none. */
  let renewedAt: number | undefined
  let said = false

  const leads = (): boolean => renewedAt !== undefined && performance.now() < renewedAt + renewDeadlineMs

  function observe(lease: Lease): void {
    const { resourceVersion } = lease.metadata
    if (observed !== undefined && observed.metadata.resourceVersion === resourceVersion) return
    observed = lease
    observedAt = performance.now()
  }

  function say(): void {
    if (said === leads()) return
    said = leads()
    if (said) log.info('{identity} leads now', { identity })
    else log.warn('{identity} leads no more', { identity })
    options.onChange(said)
  }

  async function take(): Promise<boolean> {
    const deadline = { timeoutMs: renewDeadlineMs, signal: closing.signal }
    // A leader knows the record: it wrote it.
    if (!leads() || observed === undefined) {
      try {
        observe(await client.request<Lease>({ path, ...deadline }))
      } catch (error) {
        if (statusOf(error) !== 404) throw error
        observed = undefined
      }
    }
    if (observed !== undefined && !isMine(observed) && !isFree(observed)) return false
    const now = microTime()
    const before = observed?.spec
    const mine = observed !== undefined && isMine(observed)
    const spec: LeaseSpec = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.max(1, Math.ceil(leaseMs / 1000)),
      acquireTime: mine ? (before?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: observed === undefined ? 0 : (before?.leaseTransitions ?? 0) + (mine ? 0 : 1),
    }
    const sentAt = performance.now()
    try {
      // Its resourceVersion makes the server refuse the one of two that comes second.
      const written =
        observed === undefined
          ? await client.request<Lease>({
              method: 'POST',
              path: pathOf(core.leases, namespace),
              body: blank(spec),
              ...deadline,
            })
          : await client.request<Lease>({ method: 'PUT', path, body: { ...observed, spec }, ...deadline })
      observe(written)
      renewedAt = sentAt
      return true
    } catch (error) {
      if (statusOf(error) !== 409) throw error
      // Somebody was faster, or our last write got through and its answer did not.
      const current = await client.request<Lease>({ path, ...deadline })
      observe(current)
      if (!isMine(current)) renewedAt = undefined
      return false
    }
  }

  function isMine(lease: Lease): boolean {
    return lease.spec?.holderIdentity === identity
  }

  function isFree({ spec }: Lease): boolean {
    if ((spec?.holderIdentity ?? '') === '') return true
    return performance.now() > observedAt + (spec?.leaseDurationSeconds ?? 0) * 1000
  }

  function blank(spec: LeaseSpec): Lease {
    return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace }, spec }
  }

  async function run(): Promise<void> {
    let failure = ''
    while (!closing.signal.aborted) {
      try {
        await take()
        failure = ''
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        if (!closing.signal.aborted && reason !== failure) log.warn('The lease {name}: {reason}', { name, reason })
        failure = reason
      }
      say()
      const pause = leads() ? retryMs : retryMs * (1 + Math.random() * (jitter - 1))
      await setTimeout(pause, undefined, { signal: closing.signal }).catch(() => undefined)
      if (!closing.signal.aborted) say()
    }
  }

  async function release(): Promise<void> {
    if (!leads() || observed === undefined) return
    renewedAt = undefined
    try {
      try {
        await giveUp(observed)
      } catch (error) {
        if (statusOf(error) !== 409) throw error
        // The end came while the record was renewed: that got through, and its answer was not waited for.
        const current = await client.request<Lease>({ path, timeoutMs: retryMs * 2 })
        if (isMine(current)) await giveUp(current)
      }
    } catch (error) {
      log.info('The lease {name} could not be given up: {error}', { name, error: String(error) })
    }
  }

  async function giveUp(lease: Lease): Promise<void> {
    const now = microTime()
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now }
    await client.request<Lease>({ method: 'PUT', path, body: { ...lease, spec }, timeoutMs: retryMs * 2 })
  }

  const running = run()
  return {
    get leads() {
      return leads()
    },
    get holder() {
      return observed?.spec?.holderIdentity ?? ''
    },
    async close() {
      closing.abort(new Error('closed'))
      await running
      await release()
      say()
    },
  }
}

/** As Kubernetes' MicroTime wants it. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z')
}
