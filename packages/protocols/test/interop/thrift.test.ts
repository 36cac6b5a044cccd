/**
 * Third-party Thrift clients and servers with the codec between them: everything is decoded, given another id, encoded
 * and forwarded, and back. Some calls are answered by the codec itself.
 */
import assert from 'node:assert/strict'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import { after, describe, test } from 'node:test'
import {
  generateThrift,
  needPeer,
  startNodeClient,
  startNodeServer,
  startPythonClient,
  startPythonServer,
  type ThriftClient,
  type ThriftClientOptions,
  type ThriftServer,
  type ThriftServerOptions,
} from '@aeraki/testing'
import { ByteBuffer } from '../../src/byte-sink.ts'
import type { Frame, KeyValue } from '../../src/contract.ts'
import { defaultLimits } from '../../src/contract.ts'
import { thrift } from '../../src/thrift/index.ts'

const compiler = needPeer('thrift-compiler')
const python = needPeer('python')
const skip = compiler.skip === false ? python.skip : compiler.skip

interface Seen {
  readonly kind: string
  readonly operation: string
  readonly status: string
  readonly attributes: Readonly<Record<string, string>>
}

interface Tee {
  readonly port: number
  readonly seen: Seen[]
  /** Answers the next call itself. */
  denyNext(): void
  stop(): Promise<void>
}

describe('Thrift between third-party peers', { skip }, () => {
  const code = skip === false ? generateThrift() : undefined
  after(() => code?.remove())

  type Pair = readonly [
    label: string,
    server: () => Promise<ThriftServer>,
    client: (port: number) => Promise<ThriftClient>,
    options?: Partial<ThriftClientOptions>,
  ]
  const plain = (['framed', 'buffered'] as const).flatMap((transport) =>
    (['binary', 'compact'] as const).map((protocol) => ({ transport, protocol })),
  )
  const headers = (['binary', 'compact'] as const).map((protocol) => ({ transport: 'header', protocol }) as const)
  const nodeServer = (options: ThriftServerOptions) => () => startNodeServer(generated(), options)
  const pythonServer = (options: ThriftServerOptions) => () => startPythonServer(generated(), options)
  const pairs: readonly Pair[] = [
    ...plain.flatMap((form): Pair[] => [
      [
        `Node.js to Node.js, ${form.transport} ${form.protocol}`,
        nodeServer(form),
        (port) => startNodeClient(generated(), { ...form, port }),
      ],
      [
        `Python to Node.js, ${form.transport} ${form.protocol}`,
        nodeServer(form),
        (port) => startPythonClient(generated(), { ...form, port }),
      ],
      [
        `Node.js to Python, ${form.transport} ${form.protocol}`,
        pythonServer(form),
        (port) => startNodeClient(generated(), { ...form, port }),
      ],
      [
        `Node.js to a Python server that takes all transports, ${form.transport} ${form.protocol}`,
        pythonServer({ transport: 'header' }),
        (port) => startNodeClient(generated(), { ...form, port }),
      ],
    ]),
    ...headers.flatMap((form): Pair[] => [
      [
        `Python to Python, header ${form.protocol}`,
        pythonServer(form),
        (port) => startPythonClient(generated(), { ...form, port }),
      ],
      [
        `Python to Python, header ${form.protocol} with zlib`,
        pythonServer(form),
        (port) => startPythonClient(generated(), { ...form, port, zlib: true }),
      ],
      [
        `Python to Node.js, header ${form.protocol}`,
        nodeServer(form),
        (port) => startPythonClient(generated(), { ...form, port }),
      ],
    ]),
  ]

  for (const [label, startServer, startClient] of pairs) {
    test(label, async () => {
      const server = await startServer()
      const tee = await startTee(server.port)
      const client = await startClient(tee.port)
      try {
        const greetings = await client.call('sayHello', { args: ['wörld'], count: 10 })
        assert.deepEqual(
          new Set(greetings.map((call) => String(call.value).replace(/^\w+ /, ''))),
          new Set(['greets wörld']),
        )
        const [echo] = await client.call('echo', { args: [item(200)] })
        assert.equal((echo?.value as { parts: unknown[] } | undefined)?.parts.length, 200)
        assert.equal((await client.call('echo', { args: [{ name: '' }] }))[0]?.type, 'Refused')
        assert.equal((await client.call('fail', { args: ['boom'] }))[0]?.type, 'TApplicationException')
        assert.equal((await client.call('touch'))[0]?.error, undefined)
        await client.call('tell', { args: ['news'] })
        assert.deepEqual((await client.call('told'))[0]?.value, ['news'])
        tee.denyNext()
        const [denied] = await client.call('sayHello', { args: ['me'] })
        assert.equal(denied?.type, 'TApplicationException')
        assert.equal(denied.error, 'no route for sayHello: überprüfen')
        assert.equal(denied.code, 1)
        assert.equal((await client.call('sayHello', { args: ['again'] }))[0]?.error, undefined)
      } finally {
        await client.stop()
        await tee.stop()
        await server.stop()
      }
      const statuses = tee.seen.filter((it) => it.kind === 'response').map((it) => `${it.operation} ${it.status}`)
      assert.deepEqual(statuses, [
        ...Array.from({ length: 10 }, () => 'sayHello ok'),
        'echo ok',
        'echo exception',
        'fail error',
        'touch ok',
        'told ok',
        'sayHello ok',
      ])
      assert.deepEqual(
        tee.seen.filter((it) => it.kind === 'oneway').map((it) => it.operation),
        ['tell'],
      )
    })
  }

  for (const form of plain) {
    test(`multiplexed services say their name, ${form.transport} ${form.protocol}`, async () => {
      const server = await startNodeServer(generated(), { ...form, multiplexed: true })
      const tee = await startTee(server.port)
      const greeter = await startNodeClient(generated(), { ...form, port: tee.port, service: 'Greeter' })
      const counter = await startPythonClient(generated(), { ...form, port: tee.port, service: 'Counter' })
      try {
        assert.equal((await greeter.call('sayHello', { args: ['you'] }))[0]?.value, 'node greets you')
        assert.equal((await counter.call('add', { args: [2, 3] }))[0]?.value, 5)
        tee.denyNext()
        const [denied] = await greeter.call('sayHello', { args: ['me'] })
        assert.deepEqual(
          [denied?.type, denied?.error],
          ['TApplicationException', 'no route for Greeter:sayHello: überprüfen'],
        )
      } finally {
        await greeter.stop()
        await counter.stop()
        await tee.stop()
        await server.stop()
      }
      assert.deepEqual(
        tee.seen.filter((it) => it.kind === 'request').map((it) => it.attributes),
        [
          { service: 'Greeter', method: 'sayHello' },
          { service: 'Counter', method: 'add' },
          { service: 'Greeter', method: 'sayHello' },
        ],
      )
    })
  }

  const headerKinds = headers.flatMap(({ protocol }) => [false, true].map((zlib) => ({ protocol, zlib })))
  for (const { protocol, zlib } of headerKinds) {
    test(`headers are seen, replaced and added, ${protocol}${zlib ? ' with zlib' : ''}`, async () => {
      const server = await startPythonServer(generated(), { transport: 'header' })
      const tee = await startTee(server.port, [
        { key: 'tracing', value: 'on' },
        { key: 'batchJob', value: 'replaced' },
      ])
      const client = await startPythonClient(generated(), { transport: 'header', protocol, port: tee.port, zlib })
      try {
        const sent = { batchJob: 'true', user: 'zoë' }
        const read = async (name: string) => (await client.call('header', { args: [name], headers: sent }))[0]?.value
        assert.deepEqual([await read('tracing'), await read('batchJob'), await read('user')], ['on', 'replaced', 'zoë'])
      } finally {
        await client.stop()
        await tee.stop()
        await server.stop()
      }
      assert.deepEqual(tee.seen[0]?.attributes, { batchjob: 'true', user: 'zoë', method: 'header' })
    })
  }

  function generated() {
    assert.ok(code)
    return code
  }
})

/** Forwards frame by frame; every id is another one on the way, and the client's own again when it comes back. */
async function startTee(upstreamPort: number, set: readonly KeyValue[] = []): Promise<Tee> {
  const seen: Seen[] = []
  let deny = false
  const sockets = new Set<Socket>()
  const note = (frame: Frame) =>
    seen.push({
      kind: frame.kind,
      operation: frame.operation(),
      status: frame.status,
      attributes: Object.fromEntries(frame.allAttributes()),
    })
  const server = createServer((downstream) => {
    const upstream = connect(upstreamPort, '127.0.0.1')
    const requests = thrift.decoder('request', defaultLimits)
    const responses = thrift.decoder('response', defaultLimits)
    const ids: number[] = []
    let next = 100
    for (const socket of [downstream, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    downstream.on('close', () => upstream.destroy())
    upstream.on('close', () => downstream.destroy())
    downstream.on('data', (chunk) =>
      requests.push(chunk, {
        onFrame(frame) {
          note(frame)
          const out = new ByteBuffer()
          if (deny) {
            deny = false
            const reply = new ByteBuffer()
            const to = { idHigh: 0, idLow: frame.idLow, tag: frame.tag, operation: frame.operation() }
            const message = `no route for ${frame.operation()}: überprüfen`
            thrift.writeError(reply, to, { type: 'route-not-found', message })
            downstream.write(Buffer.from(reply.view()))
            return true
          }
          if (frame.kind === 'request') ids.push(frame.idLow)
          frame.write(out, 0, (next *= 3) & 0x7fffffff, { set })
          upstream.write(Buffer.from(out.view()))
          return true
        },
      }),
    )
    upstream.on('data', (chunk) =>
      responses.push(chunk, {
        onFrame(frame) {
          note(frame)
          const out = new ByteBuffer()
          frame.write(out, 0, ids.shift() ?? -1, undefined)
          downstream.write(Buffer.from(out.view()))
          return true
        },
      }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    denyNext: () => (deny = true),
    stop: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

function item(parts: number): object {
  const part = { name: 'part', weight: 1, measures: { width: 0.5, height: 2 }, tags: [1, 2, 3], fragile: true }
  return { name: 'whole', weight: 7, parts: Array.from({ length: parts }, () => part), tags: [] }
}
