/** A gRPC connection to one server. */
import { ConnectError, type Transport } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import type { TlsOptions } from '../tls.ts'

export interface GrpcConnection {
  readonly transport: Transport
  close(): void
}

/** Milliseconds. etcd takes more pings than one in 5 s for an attack. */
const pings = { pingIntervalMs: 10_000, pingTimeoutMs: 10_000 }
const connectTimeout = 10_000
const largestAnswer = 64 * 1024 * 1024
/** Milliseconds that a closed connection is listened to for late errors, which would be nobody's otherwise. */
const linger = 1000

/** Rejects with an Error for people. @param address host:port */
export async function openGrpc(
  address: string,
  tls: TlsOptions | undefined,
  signal: AbortSignal,
): Promise<GrpcConnection> {
  const baseUrl = `${tls === undefined ? 'http' : 'https'}://${address}`
  const sessionManager = new Http2SessionManager(baseUrl, pings, tls)
  const give = (reason: string) => (): void => sessionManager.abort(new Error(reason))
  const timer = setTimeout(give(`no connection within ${connectTimeout} ms`), connectTimeout)
  const stop = give('closed')
  signal.addEventListener('abort', stop, { once: true })
  try {
    if ((await sessionManager.connect()) === 'error') throw sessionManager.error()
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
  return {
    transport: createGrpcTransport({ baseUrl, sessionManager, readMaxBytes: largestAnswer }),
    close() {
      setTimeout(() => sessionManager.abort(), linger).unref()
    },
  }
}

/** What the server said, without the name of the status. */
export function grpcReason(error: unknown): Error {
  return error instanceof ConnectError ? new Error(error.rawMessage, { cause: error }) : (error as Error)
}
