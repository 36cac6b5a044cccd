/** A TCP line that a test can cut. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/** A line to a port that can be cut, so that bytes vanish on it while both ends stay connected. */
export async function startLine(t: TestContext, to: number): Promise<{ port: number; cut(): void; mend(): void }> {
  const sockets: Socket[] = []
  let isCut = false
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1')
    for (const [from, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.push(from)
      let dead = false
      from.on('data', (chunk) => {
        dead ||= isCut
        if (!dead) other.write(chunk)
      })
      from.on('error', () => {})
      from.on('close', () => {
        if (!dead) other.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    port,
    cut: () => {
      isCut = true
    },
    mend: () => {
      isCut = false
    },
  }
}
