/**
 * What a request may cost on the data path, counted and not timed: writes (each a system call), attributes parsed, bytes
 * of garbage. Sockets are in memory, so that kernel and runtime have no part in it.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Decoder, Frame, FrameReceiver, Protocol } from '@aeraki/protocols'
import { dubboMessages, thriftMessages } from './support/hot-messages.ts'
import { HotPath } from './support/hot-path.ts'

const clients = 32

/** Measured, with half as much again as head-room; the sockets in memory have their part in it. */
const garbageLimit: Readonly<Record<string, number>> = { dubbo: 700, thrift: 1500 }

const onBun = process.versions['bun'] !== undefined && 'the count is of V8'

describe('the hot path', () => {
  test('what many clients ask in one turn is one write to each endpoint, and one to each client', async () => {
    const path = await HotPath.start(dubboMessages, clients)
    const upstream = path.io.upstream
    assert.equal(upstream.length, 2)
    const before = { upstream: sum(upstream), clients: sum(path.clients), received: path.received }
    for (let round = 0; round < 100; round += 1) await path.round()
    assert.equal(path.received - before.received, 100 * clients * dubboMessages.response.length)
    // The split may give one of the two nothing in a turn.
    assert.ok(sum(upstream) - before.upstream <= 200, `${sum(upstream) - before.upstream} writes to endpoints`)
    assert.equal(sum(path.clients) - before.clients, 100 * clients)
  })

  test('a client that asks much at once gets its answers in few writes', async () => {
    const path = await HotPath.start(dubboMessages, 1)
    const [client] = path.clients
    assert.ok(client)
    const before = client.writes
    client.receive(Buffer.concat(Array.from({ length: 100 }, () => dubboMessages.request)))
    await path.round()
    assert.ok(client.writes - before <= 2, `${client.writes - before} writes`)
  })

  test('a protocol without ids writes each request and each answer once, and connects no more than it must', async () => {
    const path = await HotPath.start(thriftMessages, clients)
    for (let round = 0; round < 50; round += 1) await path.round()
    // No endpoint ever had more at once than all the clients.
    assert.ok(path.io.upstream.length <= 2 * clients, `${path.io.upstream.length} connections`)
    const before = { upstream: sum(path.io.upstream), clients: sum(path.clients) }
    for (let round = 0; round < 50; round += 1) await path.round()
    assert.equal(sum(path.io.upstream) - before.upstream, 50 * clients)
    assert.equal(sum(path.clients) - before.clients, 50 * clients)
  })

  for (const messages of [dubboMessages, thriftMessages]) {
    test(`of a ${messages.protocol} call routed by method nothing but the method is asked`, async () => {
      const asked = new Map<string, number>()
      const path = await HotPath.start(messages, clients, (protocol) => counting(protocol, asked))
      asked.clear()
      for (let round = 0; round < 10; round += 1) await path.round()
      const requests = 10 * clients
      assert.deepEqual(Object.fromEntries(asked), { 'attribute method': requests, operation: requests })
    })

    test(`a ${messages.protocol} request leaves little garbage`, { skip: onBun }, () => {
      const script = join(import.meta.dirname, 'support/garbage-per-request.ts')
      const room = ['--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256']
      const run = spawnSync(process.execPath, [...room, script, messages.protocol], { encoding: 'utf8' })
      const bytes = Number(run.stdout)
      assert.ok(bytes > 0, `the count failed: ${run.stdout}${run.stderr}`)
      assert.ok(bytes < (garbageLimit[messages.protocol] ?? 0), `${bytes} bytes of garbage per request`)
    })
  }
})

function sum(connections: readonly { readonly writes: number }[]): number {
  return connections.reduce((total, { writes }) => total + writes, 0)
}

/** Counts what is asked of the frames of requests. */
function counting(protocol: Protocol, asked: Map<string, number>): Protocol {
  const count = (what: string): void => void asked.set(what, (asked.get(what) ?? 0) + 1)
  return {
    ...protocol,
    decoder: (side, limits) => {
      const decoder = protocol.decoder(side, limits)
      return side === 'response' ? decoder : countingDecoder(decoder, count)
    },
  }
}

function countingDecoder(decoder: Decoder, count: (what: string) => void): Decoder {
  const wrapped = (receiver: FrameReceiver): FrameReceiver => ({
    onFrame: (frame) => receiver.onFrame(countingFrame(frame, count)),
  })
  return {
    get buffered() {
      return decoder.buffered
    },
    push: (chunk, receiver) => decoder.push(chunk, wrapped(receiver)),
    resume: (receiver) => decoder.resume(wrapped(receiver)),
  }
}

function countingFrame(frame: Frame, count: (what: string) => void): Frame {
  const { kind, idHigh, idLow, tag, length } = frame
  return {
    kind,
    idHigh,
    idLow,
    tag,
    length,
    get status() {
      count('status')
      return frame.status
    },
    attribute(name) {
      count(`attribute ${name}`)
      return frame.attribute(name)
    },
    operation() {
      count('operation')
      return frame.operation()
    },
    allAttributes() {
      count('all attributes')
      return frame.allAttributes()
    },
    write: (out, high, low, mutation) => frame.write(out, high, low, mutation),
  }
}
