/** Stands between a connector and a real HTTP server: tells what was asked, and falsifies answers on demand. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface RecordingRelay {
  /** The server's address, by way of the relay. */
  readonly url: string
  /** Paths in the order in which they were answered. */
  readonly asked: readonly string[]
  /** From now on what the server answers to this path is made something else; undefined: not any more. */
  falsify(path: string, change: ((body: string) => string) | undefined): void
  /** Resolves when so many more answers to this path have been sent; rejects after a minute. */
  answered(path: string, times?: number): Promise<void>
  close(): Promise<void>
}

const patienceMs = 60_000

/** @param target such as `http://127.0.0.1:8761/eureka` */
export async function startRecordingRelay(target: string): Promise<RecordingRelay> {
  const { origin, pathname } = new URL(target)
  const asked: string[] = []
  const changes = new Map<string, (body: string) => string>()
  const waiting = new Set<() => void>()

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    const { accept = '*/*', authorization } = request.headers
    const headers = { accept, ...(authorization === undefined ? {} : { authorization }) }
    const answer = await fetch(new URL(path, origin), { headers })
    const body = await answer.text()
    const change = answer.ok ? changes.get(path) : undefined
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
    response.end(change === undefined ? body : change(body))
    asked.push(path)
    for (const look of waiting) look()
  }

  const server = createServer((request, response) => {
    pass(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const relayed = new URL(target)
  relayed.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: relayed.href,
    asked,
    falsify(path, change) {
      if (change === undefined) changes.delete(`${pathname}${path}`)
      else changes.set(`${pathname}${path}`, change)
    },
    answered(path, times = 1) {
      const from = asked.length
      return new Promise((resolve, reject) => {
        const patience = setTimeout(() => reject(new Error(`${path} is not asked ${times} times`)), patienceMs)
        const look = (): void => {
          if (asked.slice(from).filter((each) => each === `${pathname}${path}`).length < times) return
          waiting.delete(look)
          clearTimeout(patience)
          resolve()
        }
        waiting.add(look)
      })
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
