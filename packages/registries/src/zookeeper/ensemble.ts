/** Keeps one connection to an ensemble: the next server when one fails, with backoff when all have. */
import { createBackoff } from '../util/backoff.ts'
import { type Connection, type ConnectionOptions, openConnection, type ServerAddress } from './connection.ts'

export interface EnsembleOptions extends Pick<ConnectionOptions, 'sessionTimeout' | 'auth' | 'onEvent'> {
  readonly servers: readonly ServerAddress[]
  /** Read anew for each connection. */
  readonly tls: () => ConnectionOptions['tls']
  readonly onConnecting: (attempt: number) => void
  readonly onConnected: (connection: Connection, server: string) => void
  /** Also for each attempt that failed. */
  readonly onLost: (reason: string) => void
}

export interface Ensemble {
  /** The present connection has proved its use: when it is lost, the next one is tried soon. */
  settle(): void
  /** Gives the present connection up, as it is of no use; another one follows. */
  reject(reason: string): void
  readonly connection: Connection | undefined
  close(): void
}

export function joinEnsemble(options: EnsembleOptions): Ensemble {
  const { servers } = options
  const backoff = createBackoff()
  let connection: Connection | undefined
  let opening: AbortController | undefined
  let retry: NodeJS.Timeout | undefined
  let index = Math.floor(Math.random() * servers.length)
  let failures = 0
  let lastZxid = 0n
  let closed = false

  async function attempt(): Promise<void> {
    const server = servers[index++ % servers.length]
    if (closed || server === undefined) return
    options.onConnecting(backoff.attempts + 1)
    const name = `${server.host}:${server.port}`
    opening = new AbortController()
    let opened: Connection
    try {
      opened = await openConnection({
        server,
        sessionTimeout: options.sessionTimeout,
        connectTimeout: Math.min(10_000, options.sessionTimeout),
        lastZxid,
        auth: options.auth,
        tls: options.tls(),
        signal: opening.signal,
        onEvent: options.onEvent,
        onLost: (reason) => lost(`${name}: ${reason}`),
      })
    } catch (error) {
      failures += 1
      // All refuse who knows more than they do: the ensemble was set up anew, and begins to count again.
      if (failures >= servers.length * 2) lastZxid = 0n
      lost(`${name}: ${error instanceof Error ? error.message : String(error)}`)
      return
    }
    opening = undefined
    if (closed) {
      opened.close()
      return
    }
    failures = 0
    connection = opened
    options.onConnected(opened, name)
  }

  function lost(reason: string): void {
    if (connection !== undefined) lastZxid = connection.lastZxid
    connection = undefined
    if (closed) return
    options.onLost(reason)
    // The others of the ensemble are asked at once.
    const wait = failures < servers.length && failures > 0 ? 50 : backoff.next()
    retry = setTimeout(() => void attempt(), wait)
  }

  void attempt()
  return {
    settle: () => backoff.reset(),
    reject(reason) {
      const rejected = connection
      if (rejected === undefined) return
      failures = servers.length
      lost(reason)
      rejected.close()
    },
    get connection() {
      return connection
    },
    close() {
      closed = true
      clearTimeout(retry)
      connection?.close()
      connection = undefined
      opening?.abort()
    },
  }
}
