/** The contract of io.ts, for all drivers of whatever runs it: Node here, Bun through on-bun.test.ts. */
import assert from 'node:assert/strict'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { ByteBuffer } from '@aeraki/protocols'
import { bunApi } from '../src/io/bun-api.ts'
import { createBunIo } from '../src/io/bun.ts'
import { createEpollIo } from '../src/io/epoll/epoll.ts'
import type { Connection, ConnectionHandler, Io, Listener } from '../src/io/io.ts'
import { createNodeIo } from '../src/io/node.ts'
import { until } from './support/harness.ts'

const bun = bunApi()
const drivers: Readonly<Record<string, Io | undefined>> =
  bun === undefined ? { node: createNodeIo() } : { epoll: createEpollIo(bun), bun: createBunIo(bun) }

/** Notes what a connection tells its handler. */
class Recorder implements ConnectionHandler {
  readonly events: string[] = []
  readonly closed: Promise<Error | undefined>
  connection: Connection | undefined
  received = Buffer.alloc(0)
  error: Error | undefined
  /** A method of the connection is being called. */
  calling = false
  #resolve: (error: Error | undefined) => void = () => undefined

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  call(use: (connection: Connection) => void): void {
    if (this.connection === undefined) throw new Error('not connected')
    this.calling = true
    use(this.connection)
    this.calling = false
  }

  write(bytes: Uint8Array): boolean {
    let taken = false
    this.call((connection) => {
      taken = connection.write(bytes)
    })
    return taken
  }

  count(event: string): number {
    return this.events.filter((each) => each === event).length
  }

  onOpen(): void {
    this.#note('open')
  }

  onData(chunk: Uint8Array): void {
    this.#note('data')
    this.received = Buffer.concat([this.received, chunk])
  }

  onEnd(): void {
    this.#note('end')
  }

  onDrain(): void {
    this.#note('drain')
  }

  onClose(error: Error | undefined): void {
    this.#note('close')
    this.error = error
    this.#resolve(error)
  }

  #note(event: string): void {
    assert.equal(this.calling, false, `${event} inside a call`)
    assert.equal(this.events.includes('close'), false, `${event} after close`)
    this.events.push(event)
  }
}

interface Pair {
  readonly ours: Recorder
  readonly peer: Socket
  readonly listener: Listener
}

/** A connection that we have accepted, and the plain socket at its other end. */
async function acceptedBy(io: Io, use: (pair: Pair) => Promise<void>): Promise<void> {
  const ours = new Recorder()
  const listener = await io.listen({ host: '127.0.0.1', port: 0 }, {}, (connection) => {
    ours.connection = connection
    return ours
  })
  const peer = connect({ port: listener.address.port, host: '127.0.0.1', allowHalfOpen: true })
  peer.on('error', () => undefined)
  await once(peer, 'connect')
  await until(() => ours.connection !== undefined)
  try {
    await use({ ours, peer, listener })
  } finally {
    peer.destroy()
    ours.connection?.destroy()
    await listener.close()
  }
}

/** A connection that we have made, and the plain socket at its other end. */
async function connectedBy(io: Io, use: (ours: Recorder, peer: Socket) => Promise<void>): Promise<void> {
  const server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const ours = new Recorder()
  const { port } = server.address() as AddressInfo
  const peers = once(server, 'connection') as Promise<[Socket]>
  ours.connection = io.connect({ host: '127.0.0.1', port }, { timeoutMs: 2000 }, ours)
  assert.deepEqual(ours.events, [], 'no callback inside connect')
  const [peer] = await peers
  peer.on('error', () => undefined)
  await until(() => ours.events.includes('open'))
  try {
    await use(ours, peer)
  } finally {
    peer.destroy()
    ours.connection.destroy()
    await new Promise((resolve) => {
      server.close(resolve)
    })
  }
}

for (const [name, driver] of Object.entries(drivers)) {
  describe(`io: ${name}`, () => {
    if (driver === undefined) throw new Error(`${name} is not available here`)
    const io = driver
    const accepted = (use: (pair: Pair) => Promise<void>): Promise<void> => acceptedBy(io, use)
    const connected = (use: (ours: Recorder, peer: Socket) => Promise<void>): Promise<void> => connectedBy(io, use)

    test('an accepted connection receives and sends', () =>
      accepted(async ({ ours, peer }) => {
        peer.write('ping')
        await until(() => ours.received.toString() === 'ping')
        ours.call((connection) => assert.equal(connection.write(Buffer.from('pong')), true))
        const [chunk] = (await once(peer, 'data')) as [Buffer]
        assert.equal(chunk.toString(), 'pong')
      }))

    test('addresses of both ends are known', () =>
      accepted(async ({ ours, peer, listener }) => {
        assert.deepEqual(ours.connection?.remote, { host: '127.0.0.1', port: peer.localPort })
        assert.deepEqual(ours.connection?.local, { host: '127.0.0.1', port: listener.address.port })
        assert.ok((ours.connection?.fd ?? 0) > 2)
      }))

    test('an outgoing connection opens, sends and receives', () =>
      connected(async (ours, peer) => {
        ours.call((connection) => connection.write(Buffer.from('ping')))
        const [chunk] = (await once(peer, 'data')) as [Buffer]
        assert.equal(chunk.toString(), 'ping')
        peer.write('pong')
        await until(() => ours.received.toString() === 'pong')
      }))

    test('send empties the buffer, which can be filled again at once', () =>
      connected(async (ours, peer) => {
        const buffer = new ByteBuffer(16)
        let received = ''
        peer.on('data', (chunk: Buffer) => (received += chunk.toString()))
        let expected = ''
        for (let index = 0; index < 100; index += 1) {
          const text = `${index} `.repeat(50)
          expected += text
          const at = buffer.reserve(text.length)
          buffer.bytes.write(text, at)
          buffer.commit(at + text.length)
          ours.call((connection) => connection.send(buffer))
          assert.equal(buffer.length, 0)
        }
        await until(() => received.length >= expected.length)
        assert.equal(received, expected)
      }))

    test('what the kernel does not take is kept and sent later, in order, and drain is told', () =>
      connected(async (ours, peer) => {
        peer.pause()
        const block = Buffer.alloc(256 * 1024)
        let sent = 0
        while (ours.write(block.fill(sent & 0xff))) sent += 1
        sent += 1
        assert.ok((ours.connection?.pendingBytes ?? 0) > 0)
        // While some is pending, more is taken in, too. The caller's memory is its own again.
        block.fill(sent & 0xff)
        ours.call((connection) => assert.equal(connection.write(block), false))
        sent += 1
        block.fill(0xee)
        assert.equal(ours.count('drain'), 0)
        let received = 0
        let wrong = 0
        peer.on('data', (chunk: Buffer) => {
          for (const byte of chunk) {
            if (byte !== (Math.floor(received / block.length) & 0xff)) wrong += 1
            received += 1
          }
        })
        peer.resume()
        await until(() => received === sent * block.length && ours.count('drain') > 0)
        assert.equal(wrong, 0)
        assert.equal(ours.connection?.pendingBytes, 0)
        assert.equal(ours.count('drain'), 1)
      }))

    test('a paused connection delivers nothing, and everything after resume', () =>
      accepted(async ({ ours, peer }) => {
        ours.call((connection) => connection.pause())
        peer.write('late')
        await new Promise((resolve) => {
          setTimeout(resolve, 30)
        })
        assert.equal(ours.received.length, 0)
        ours.call((connection) => connection.resume())
        await until(() => ours.received.toString() === 'late')
      }))

    for (const what of ['', 'late']) {
      test(`a paused connection learns after resume that its peer has ended, ${what === '' ? 'with' : 'without'} nothing to read`, () =>
        accepted(async ({ ours, peer }) => {
          peer.write('first')
          await until(() => ours.received.toString() === 'first')
          ours.call((connection) => connection.pause())
          peer.end(what)
          await new Promise((resolve) => {
            setTimeout(resolve, 30)
          })
          ours.call((connection) => connection.resume())
          await until(() => ours.count('end') === 1)
          assert.equal(ours.received.toString(), `first${what}`)
        }))

      test(`pausing, resuming and an end in one turn lose nothing (${what})`, () =>
        accepted(async ({ ours, peer }) => {
          peer.write('first')
          await until(() => ours.received.toString() === 'first')
          ours.call((connection) => {
            connection.pause()
            connection.resume()
            connection.pause()
          })
          peer.end(what)
          await new Promise((resolve) => {
            setImmediate(resolve)
          })
          ours.call((connection) => {
            connection.resume()
            connection.write(Buffer.from('x'))
          })
          await until(() => ours.count('end') === 1)
          assert.equal(ours.received.toString(), `first${what}`)
        }))
    }

    test('a peer that ends its side can still be written to', () =>
      accepted(async ({ ours, peer }) => {
        peer.end('question')
        await until(() => ours.count('end') === 1)
        assert.equal(ours.received.toString(), 'question')
        ours.call((connection) => connection.write(Buffer.from('answer')))
        const [chunk] = (await once(peer, 'data')) as [Buffer]
        assert.equal(chunk.toString(), 'answer')
        ours.call((connection) => connection.end())
        await once(peer, 'end')
        await ours.closed
        assert.equal(ours.error, undefined)
        assert.equal(ours.count('close'), 1)
      }))

    test('end sends what is pending first', () =>
      accepted(async ({ ours, peer }) => {
        peer.pause()
        const block = Buffer.alloc(1024 * 1024, 1)
        let sent = 0
        while (ours.write(block)) sent += block.length
        sent += block.length
        ours.call((connection) => connection.end())
        let received = 0
        peer.on('data', (chunk: Buffer) => (received += chunk.length))
        peer.resume()
        await once(peer, 'end')
        assert.equal(received, sent)
        peer.end()
        await ours.closed
      }))

    test('destroy closes once, not inside the call', () =>
      accepted(async ({ ours, peer }) => {
        const gone = once(peer, 'close')
        peer.resume()
        peer.on('end', () => peer.end())
        ours.call((connection) => connection.destroy())
        ours.call((connection) => connection.destroy())
        assert.equal(ours.count('close'), 0)
        await ours.closed
        assert.equal(ours.count('close'), 1)
        await gone
        // Nothing comes of writing now.
        ours.call((connection) => connection.write(Buffer.from('x')))
      }))

    test('a reset by the peer closes with an error or without, but once', () =>
      accepted(async ({ ours, peer }) => {
        peer.resetAndDestroy()
        await ours.closed
        assert.equal(ours.count('close'), 1)
      }))

    test('a refused connection closes without having opened', async () => {
      const ours = new Recorder()
      ours.connection = io.connect({ host: '127.0.0.1', port: 1 }, { timeoutMs: 2000 }, ours)
      const error = await ours.closed
      assert.deepEqual(ours.events, ['close'])
      assert.equal((error as { code?: string } | undefined)?.code, 'ECONNREFUSED')
    })

    test('a connection that is destroyed before it opens closes without having opened', async () => {
      const listener = await io.listen({ host: '127.0.0.1', port: 0 }, {}, () => new Recorder())
      const ours = new Recorder()
      ours.connection = io.connect(listener.address, { timeoutMs: 2000 }, ours)
      ours.call((connection) => connection.destroy())
      await ours.closed
      assert.deepEqual(ours.events, ['close'])
      await listener.close()
    })

    test('an address is shared by sockets that all say so, and by no other', async () => {
      const address = { host: '127.0.0.1', port: 0 }
      const counts: [number, number] = [0, 0]
      const accept = (index: 0 | 1) => () => {
        counts[index] += 1
        return new Recorder()
      }
      const first = await io.listen(address, { reusePort: true }, accept(0))
      const second = await io.listen(first.address, { reusePort: true }, accept(1))
      assert.deepEqual(second.address, first.address)
      await assert.rejects(io.listen(first.address, {}, accept(0)), { code: 'EADDRINUSE' })
      const sockets = Array.from({ length: 64 }, () => connect(first.address.port, address.host))
      await until(() => counts[0] + counts[1] === sockets.length)
      assert.ok(counts[0] > 0 && counts[1] > 0)
      for (const socket of sockets) socket.destroy()
      await first.close()
      await second.close()
    })

    test('a port in use and an address of another machine are errors with their codes', async () => {
      const listener = await io.listen({ host: '127.0.0.1', port: 0 }, {}, () => new Recorder())
      const { port } = listener.address
      await assert.rejects(
        io.listen({ host: '127.0.0.1', port }, {}, () => new Recorder()),
        { code: 'EADDRINUSE' },
      )
      await assert.rejects(
        io.listen({ host: '192.0.2.1', port }, {}, () => new Recorder()),
        { code: 'EADDRNOTAVAIL' },
      )
      await listener.close()
    })

    test('closing a listener leaves its connections alone', () =>
      accepted(async ({ ours, peer, listener }) => {
        await listener.close()
        peer.write('still here')
        await until(() => ours.received.toString() === 'still here')
        const refused = connect({ port: listener.address.port, host: '127.0.0.1' })
        await assert.rejects(once(refused, 'connect'), { code: 'ECONNREFUSED' })
      }))

    test('IPv6 works', async () => {
      const ours = new Recorder()
      const listener = await io.listen({ host: '::1', port: 0 }, {}, () => new Recorder())
      ours.connection = io.connect(listener.address, { timeoutMs: 2000 }, ours)
      await until(() => ours.events.includes('open'))
      ours.connection.destroy()
      await ours.closed
      await listener.close()
    })

    test('what runs after the reads runs once, and outside of the call', async () => {
      const order: string[] = []
      await new Promise<void>((resolve) => {
        io.afterReads(() => {
          order.push('first')
          io.afterReads(() => {
            order.push('second')
            resolve()
          })
          order.push('first done')
        })
        order.push('called')
      })
      assert.deepEqual(order, ['called', 'first', 'first done', 'second'])
    })

    test('after a pause in the traffic all goes on', () =>
      accepted(async ({ ours, peer }) => {
        for (const pauseMs of [5, 40, 120]) {
          await new Promise((resolve) => {
            setTimeout(resolve, pauseMs)
          })
          const before = ours.received.length
          peer.write('again')
          await until(() => ours.received.length === before + 5)
        }
      }))
  })
}
