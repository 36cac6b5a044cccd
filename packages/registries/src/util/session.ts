/**
 * One connection at a time, to one of several servers: the next one when it fails, with backoff when all have. Answers of
 * different servers are never mixed.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { RegistrySink } from '../contract.ts'
import { createBackoff } from './backoff.ts'

export interface SessionOptions {
  readonly servers: readonly string[]
  readonly sink: Pick<RegistrySink, 'connection'>
  /** Ends it all. */
  readonly signal: AbortSignal
  /** Talks to one server for as long as it can, then rejects with an Error for people. */
  readonly session: (session: Session) => Promise<void>
}

export interface Session {
  readonly server: string
  /** Aborted when this session ends, for whatever reason. */
  readonly signal: AbortSignal
  /** The server has answered, and takes us. */
  readonly connected: () => void
}

/** Resolves when `signal` is aborted. */
export async function runSessions({ servers, sink, signal, session }: SessionOptions): Promise<void> {
  const backoff = createBackoff()
  let index = Math.floor(Math.random() * servers.length)
  let failures = 0
  for (; !signal.aborted; index += 1) {
    const server = servers[index % servers.length] ?? ''
    const ending = new AbortController()
    const shown = withoutPassword(server)
    sink.connection({ kind: 'connecting', attempt: backoff.attempts + 1 })
    const context: Session = {
      server,
      signal: AbortSignal.any([signal, ending.signal]),
      connected() {
        failures = 0
        backoff.reset()
        if (!context.signal.aborted) sink.connection({ kind: 'connected', server: shown })
      },
    }
    const reason = await session(context).then(() => 'the connection ended', reasonOf)
    ending.abort()
    if (signal.aborted) return
    sink.connection({ kind: 'disconnected', reason: `${shown}: ${reason}` })
    failures += 1
    // The others are asked at once.
    const wait = failures < servers.length ? 50 : backoff.next()
    await delay(wait, undefined, { signal }).catch(() => undefined)
  }
}

/** What went wrong, for people. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // Node tries all addresses of a name, and says nothing where all failed.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(reasonOf).join('; ')
  return error.message
}

function withoutPassword(server: string): string {
  return server.replace(/\/\/[^/@]*@/, '//')
}
