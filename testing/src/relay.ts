/** A TCP relay that breaks in the ways that networks do. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface Relay {
  readonly port: number
  /** Connections that are open now. */
  readonly connections: number
  /** Ends every connection with a reset; new ones are taken. */
  cut(): void
  /** From now on nothing passes in either direction, and nobody is told; also not on new connections. */
  stall(): void
  /** What is sent from now on passes again; what was swallowed is lost, so connections of before stay silent. */
  heal(): void
  /** What the target sends comes so much later, in milliseconds. */
  delay(ms: number): void
  close(): Promise<void>
}

export async function startRelay(targetPort: number): Promise<Relay> {
  const sockets = new Set<Socket>()
  let stalled = false
  let delayMs = 0
  const server = createServer((client) => {
    const target = connect(targetPort, '127.0.0.1')
    /** A connection that lost bytes would be broken for its ends: it stays silent instead. */
    let dead = false
    for (const [from, to, slow] of [
      [client, target, false],
      [target, client, true],
    ] as const) {
      sockets.add(from)
      from.on('data', (chunk) => {
        dead ||= stalled
        if (dead) return
        if (slow && delayMs > 0) setTimeout(() => to.writable && to.write(chunk), delayMs)
        else to.write(chunk)
      })
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return sockets.size / 2
    },
    cut() {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    stall() {
      stalled = true
    },
    heal() {
      stalled = false
    },
    delay(ms) {
      delayMs = ms
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
