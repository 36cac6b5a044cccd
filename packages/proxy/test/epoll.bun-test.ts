/** What only the epoll driver has: addresses as bytes, the loop's pauses, the limits of the kernel. On Bun, by on-bun.test.ts. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, isIPv6, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { bunApi, type BunApi } from '../src/io/bun-api.ts'
import { createEpollIo } from '../src/io/epoll/epoll.ts'
import { loadLibc, numbers, type Libc } from '../src/io/epoll/libc.ts'
import { streamSocket } from '../src/io/epoll/listener.ts'
import { fromSockaddr, inet, toSockaddr, type Sockaddr } from '../src/io/sockaddr.ts'
import { Watch } from '../src/io/epoll/watch.ts'
import { deaf } from '../src/io/deaf.ts'
import type { Connection, Io } from '../src/io/io.ts'
import { until } from './support/harness.ts'

const bun = bunApi() as BunApi
const libc = loadLibc() as Libc
const io = createEpollIo(bun) as Io

describe('addresses as the system has them', () => {
  test('every IPv4 address and port come back', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.nat(0xffff), (host, port) => {
        const sockaddr = toSockaddr({ host, port })
        assert.equal(sockaddr?.bytes.length, 16)
        assert.deepEqual(fromSockaddr(sockaddr.bytes), { host, port })
      }),
    )
  })

  test('every IPv6 address comes back, in the one form that is standard', () => {
    fc.assert(
      fc.property(fc.ipV6().filter(isIPv6), fc.nat(0xffff), (host, port) => {
        const bytes = toSockaddr({ host, port })?.bytes as Uint8Array
        const back = fromSockaddr(bytes)
        assert.equal(back.port, port)
        assert.deepEqual(toSockaddr(back)?.bytes, bytes)
      }),
    )
    assert.equal(spelled('2001:DB8:0:0:0:0:0:1'), '2001:db8::1')
    assert.equal(spelled('::'), '::')
    assert.equal(spelled('::ffff:10.0.0.1'), '::ffff:10.0.0.1')
  })

  test('names and zones are no addresses', () => {
    assert.equal(toSockaddr({ host: 'localhost', port: 1 }), undefined)
    assert.equal(toSockaddr({ host: 'fe80::1%eth0', port: 1 }), undefined)
  })

  test('a connection to what is no address fails as one that the system refuses', async () => {
    const closed = new Promise<Error | undefined>((resolve) => {
      io.connect({ host: 'localhost', port: 1 }, { timeoutMs: 100 }, { ...deaf, onClose: resolve })
    })
    assert.equal((await closed)?.message, 'connect EINVAL localhost:1')
  })
})

describe('the pauses', () => {
  test('the runtime tells of events in an epoll instance, once, and of none where there are none', async () => {
    const epoll = libc.calls.epoll_create1(numbers.EPOLL_CLOEXEC)
    const told: boolean[] = []
    const watch = new Watch(bun, libc, epoll, (events) => told.push(events))
    assert.equal(watch.start(), true)
    await pause(50)
    assert.deepEqual(told, [])
    // A socket that has never been connected counts as broken: an event.
    const socket = libc.calls.socket(inet, numbers.SOCK_STREAM, 0)
    const event = new Int32Array(4)
    event[0] = numbers.EPOLLIN
    assert.equal(libc.calls.epoll_ctl(epoll, numbers.EPOLL_CTL_ADD, socket, event), 0)
    await until(() => told.length > 0)
    await pause(20)
    assert.deepEqual(told, [true])
    assert.equal(watch.start(), true)
    await until(() => told.length === 2)
    assert.deepEqual(told, [true, true])
    libc.calls.close(socket)
    libc.calls.close(epoll)
  })

  test('without anything to wait for the loop ends, and with it the process', async () => {
    const script = `
      const listener = await io.listen({ host: '127.0.0.1', port: 0 }, {}, () => { throw new Error() })
      await new Promise((resolve) => setTimeout(resolve, 100))
      await listener.close()
      console.log('closed')`
    assert.deepEqual(await run(script), { code: 0, output: 'closed\n' })
  })
})

describe('the choice of a driver', () => {
  for (const [demanded, driver] of [
    [undefined, 'EpollIo'],
    ['', 'EpollIo'],
    ['runtime', 'BunIo'],
    ['fast', 'PROXY_SOCKETS_UNKNOWN'],
  ] as const) {
    test(`AERAKI_SOCKETS=${demanded}: ${driver}`, async () => {
      const { pathname } = new URL('../src/io/select.ts', import.meta.url)
      const script = `
        const { selectIo } = await import('${pathname}')
        try { console.log(selectIo().constructor.name) } catch (error) { console.log(error.code) }`
      assert.deepEqual(await run(script, { AERAKI_SOCKETS: demanded }), { code: 0, output: `${driver}\n` })
    })
  }
})

describe('trouble', () => {
  test("what a handler throws is no other connection's trouble: those beside it are served in the same turn", async () => {
    const script = `
      const { connect } = await import('node:net')
      const thrown = [], received = []
      process.on('uncaughtException', (error) => thrown.push(error.message))
      const listener = await io.listen({ host: '127.0.0.1', port: 0 }, {}, () => ({
        onData(chunk) {
          const text = Buffer.from(chunk).toString()
          received.push(text)
          if (text === 'bad') throw new Error('on purpose')
        },
        onEnd() {}, onClose() {}
      }))
      const peers = ['bad', 'good', 'bad', 'good'].map((text) => {
        const peer = connect(listener.address.port, '127.0.0.1', () => peer.write(text))
        return peer
      })
      while (received.length < 4 || thrown.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
      console.log(received.toSorted().join(), thrown.join())
      process.exit()`
    assert.deepEqual(await run(script), { code: 0, output: 'bad,bad,good,good on purpose,on purpose\n' })
  })

  test('a file descriptor that is closed and taken again in one turn gets no event of its predecessor', async () => {
    const full = fullListener()
    const accepted = new Set<Connection>()
    const replacements: Connection[] = []
    let opened = 0
    const listener = await io.listen({ host: '127.0.0.1', port: 0 }, {}, (connection) => {
      accepted.add(connection)
      return {
        ...deaf,
        onClose: () => accepted.delete(connection),
        onData: () => {
          // The others have sent something, too: their events are in the same batch, and come to those who now get
          // their file descriptors. Who is still connecting would believe to be connected.
          for (const each of accepted) each.destroy()
          for (let count = accepted.size; count > 0; count -= 1) {
            const handler = { ...deaf, onOpen: () => (opened += 1) }
            replacements.push(io.connect({ host: '127.0.0.1', port: full.port }, { timeoutMs: 10_000 }, handler))
          }
        },
      }
    })
    const peers = await Promise.all(Array.from({ length: 8 }, () => dial(listener.address.port)))
    await until(() => accepted.size === peers.length)
    for (const peer of peers) peer.write('x')
    await until(() => replacements.length === peers.length)
    await pause(50)
    assert.equal(opened, 0)
    for (const each of replacements) each.destroy()
    for (const peer of peers) peer.destroy()
    await listener.close()
    full.close()
  })

  test('without file descriptors the next clients wait until others have gone', async () => {
    const script = `
      const listener = await io.listen({ host: '127.0.0.1', port: 0 }, {}, (connection) => ({
        onData(chunk) { connection.write(chunk) }, onEnd() { connection.end() }, onClose() {}
      }))
      console.log(listener.address.port)`
    const child = spawn('sh', ['-c', 'ulimit -n 60; exec "$0" -e "$1"', process.execPath, withIo(script)])
    try {
      const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
      const peers = await Promise.all(Array.from({ length: 100 }, () => dial(Number(chunk.toString()))))
      const served = new Set<Socket>()
      for (const peer of peers) {
        peer.on('data', () => served.add(peer))
        peer.write('x')
      }
      await until(() => served.size > 20)
      await pause(150)
      assert.ok(served.size < peers.length, 'it has more file descriptors than it was given')
      // Those that were served make room for the rest, whom no event announces any more.
      while (served.size < peers.length) {
        for (const peer of served) peer.destroy()
        await pause(20)
      }
    } finally {
      child.kill('SIGKILL')
    }
  })
})

/** As the system gives it back. */
function spelled(host: string): string {
  return fromSockaddr(toSockaddr({ host, port: 1 })?.bytes as Uint8Array).host
}

/** Runs a script on Bun that has `io`. */
async function run(
  script: string,
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly code: number; readonly output: string }> {
  const child = spawn(process.execPath, ['-e', withIo(script)], { env: { ...process.env, ...env } })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const [code] = (await once(child, 'exit')) as [number]
  return { code, output }
}

function withIo(script: string): string {
  const { pathname } = new URL('../src/io/epoll/epoll.ts', import.meta.url)
  return `const io = (await import('${pathname}')).createEpollIo(Bun)\n${script}`
}

/** Listens, has no room for any connection and accepts none: to connect takes forever. */
function fullListener(): { readonly port: number; close(): void } {
  const { calls } = libc
  const fds = Array.from({ length: 5 }, () => calls.socket(inet, streamSocket, 0))
  const [listening = -1, ...clients] = fds
  const { bytes } = toSockaddr({ host: '127.0.0.1', port: 0 }) as Sockaddr
  assert.equal(calls.bind(listening, bytes, bytes.length), 0)
  assert.equal(calls.listen(listening, 0), 0)
  assert.equal(calls.getsockname(listening, bytes, Uint32Array.of(bytes.length)), 0)
  for (const client of clients) calls.connect(client, bytes, bytes.length)
  return { port: fromSockaddr(bytes).port, close: () => fds.forEach((fd) => calls.close(fd)) }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}
