import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { createBackoff } from '../src/util/backoff.ts'
import { joinEnsemble } from '../src/zookeeper/ensemble.ts'

/** A server that takes connections and says nothing. */
async function silentServer() {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.resume()
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    sockets,
    port: typeof address === 'object' && address !== null ? address.port : 0,
    connection: () => new Promise<Socket>((resolve) => server.once('connection', resolve)),
    close: () => new Promise((resolve) => server.close(resolve)),
  }
}

test('an attempt that nobody answers is given up when the ensemble is left', async () => {
  const server = await silentServer()
  const states: string[] = []
  const connected = server.connection()
  const ensemble = joinEnsemble({
    servers: [{ host: '127.0.0.1', port: server.port }],
    // Much longer than this test may take.
    sessionTimeout: 600_000,
    auth: [],
    tls: () => undefined,
    onEvent() {},
    onConnecting: () => states.push('connecting'),
    onConnected: () => states.push('connected'),
    onLost: () => states.push('lost'),
  })
  const socket = await connected
  const gone = new Promise((resolve) => socket.once('close', resolve))
  ensemble.close()
  await gone
  await server.close()
  assert.deepEqual(states, ['connecting'])
})

test('a backoff grows to its limit, and begins anew after a success', () => {
  const backoff = createBackoff({ least: 100, most: 1000, random: () => 1 })
  const waits = Array.from({ length: 8 }, () => Math.round(backoff.next()))
  assert.deepEqual(waits, [100, 160, 256, 410, 655, 1000, 1000, 1000])
  assert.equal(backoff.attempts, 8)
  backoff.reset()
  assert.equal(Math.round(backoff.next()), 100)
  assert.equal(Math.round(createBackoff({ least: 100, random: () => 0 }).next()), 50)
})
