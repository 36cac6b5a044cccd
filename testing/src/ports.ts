/** For servers that can't say which port they took: free when asked, so start the server at once. */
import { createServer } from 'node:net'

export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listen()))
  const ports = servers.map(({ port }) => port)
  await Promise.all(servers.map(({ close }) => close()))
  return ports
}

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1)
  return port
}

/** Whether a server could take it now, on all addresses of the machine. */
export async function isFree(port: number): Promise<boolean> {
  return await listen(port, '0.0.0.0').then(
    async ({ close }) => {
      await close()
      return true
    },
    () => false,
  )
}

async function listen(wanted = 0, address = '127.0.0.1'): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(wanted, address, resolve)
  })
  const bound = server.address()
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : 0,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
