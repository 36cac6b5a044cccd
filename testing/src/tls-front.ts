/** TLS in front of a server that has none, as a proxy before it gives: a connection for a connection. */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import type { Certificates } from './registries/certificates.ts'

export interface TlsFront {
  /** Handshakes that succeeded. */
  readonly taken: number
  close(): Promise<void>
}

export interface TlsFrontOptions {
  readonly port: number
  readonly targetPort: number
  /** Clients must show one of this authority, too. */
  readonly certificates: Certificates
  /** What it speaks then: `h2` for gRPC. */
  readonly protocol: 'h2' | 'http/1.1'
}

export async function startTlsFront({ port, targetPort, certificates, protocol }: TlsFrontOptions): Promise<TlsFront> {
  const { ca, server: pair } = certificates
  const sockets = new Set<TLSSocket>()
  let taken = 0
  const server = createServer(
    {
      ca: readFileSync(ca),
      cert: readFileSync(pair.cert),
      key: readFileSync(pair.key),
      requestCert: true,
      ALPNProtocols: [protocol],
    },
    (client) => {
      taken += 1
      sockets.add(client)
      const target = connect(targetPort, '127.0.0.1')
      client.pipe(target).pipe(client)
      client.on('error', () => target.destroy())
      target.on('error', () => client.destroy())
      target.on('close', () => client.destroy())
      client.on('close', () => {
        sockets.delete(client)
        target.destroy()
      })
    },
  )
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    get taken() {
      return taken
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
