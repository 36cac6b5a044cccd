import assert from 'node:assert/strict'
import { connect, createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { clusterFromXds } from '../src/config/from-cluster.ts'
import { listenerFromXds } from '../src/config/from-listener.ts'
import type { Address } from '../src/config/model.ts'
import { Place } from '../src/config/refusal.ts'
import { Interceptor } from '../src/intercept/interceptor.ts'
import { openInterceptSockets } from '../src/intercept/sockets.ts'
import type { Connection, ConnectionHandler } from '../src/io/io.ts'
import { selectIo } from '../src/io/select.ts'
import type { RuntimeSnapshot } from '../src/runtime.ts'
import { RecordingRuntime, settle } from './support/recording-runtime.ts'
import { listener, staticCluster, type ListenerOptions } from './support/xds.ts'

const here = new Place('test')
const vip = { host: '193.193.192.192', port: 20_880 }

/** Answers with the name of the listener that a connection came to. */
class AnsweringRuntime extends RecordingRuntime {
  accept(name: string, connection: Connection): ConnectionHandler | undefined {
    if (!this.listeners.has(name)) return undefined
    return {
      onOpen: () => undefined,
      onData: () => {
        connection.write(Buffer.from(name))
        connection.end()
      },
      onEnd: () => undefined,
      onDrain: () => undefined,
      onClose: () => undefined,
    }
  }
  override snapshot(): RuntimeSnapshot {
    const snapshot = super.snapshot()
    const endpoint = {
      priority: 0,
      region: '',
      zone: '',
      subZone: '',
      weight: 1,
      health: 'healthy',
      connections: 0,
      activeRequests: 0,
      totalRequests: 0,
      failedRequests: 0,
    } as const
    return {
      ...snapshot,
      clusters: snapshot.clusters.map((each) => ({ ...each, endpoints: [{ ...endpoint, address: '10.0.0.9:80' }] })),
    }
  }
  async add(name: string, options: ListenerOptions): Promise<void> {
    await this.setListener(listenerFromXds(listener(name, options), here))
  }
}

class FakeRules {
  readonly sets: (readonly Address[])[] = []
  removed = 0
  fail = false
  port = 0
  async set(addresses: readonly Address[]): Promise<void> {
    if (this.fail) throw new Error('iptables says no')
    this.sets.push(addresses)
  }
  async remove(): Promise<void> {
    this.removed++
  }
}

function call(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write('?'))
    socket.on('data', (chunk) => {
      text += String(chunk)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text))
  })
}

async function start(runtime: AnsweringRuntime, rules: FakeRules, destination: { now: Address | undefined }, port = 0) {
  const sockets = await openInterceptSockets({
    io: selectIo(),
    port,
    reusePort: false,
    originalDestination: () => destination.now,
    accept: (name, connection) => runtime.accept(name, connection),
  })
  return Interceptor.start({
    runtime,
    sockets,
    rules: (bound) => {
      rules.port = bound
      return rules
    },
  })
}

test('an intercepted connection is served by the listener of its original destination', async () => {
  const runtime = new AnsweringRuntime()
  await runtime.add('demo', { ...vip, cluster: 'c' })
  const rules = new FakeRules()
  const destination: { now: Address | undefined } = { now: vip }
  const interceptor = await start(runtime, rules, destination)
  try {
    assert.equal(await call(rules.port), 'demo')
    destination.now = { host: vip.host, port: 1 }
    assert.equal(await call(rules.port), '', 'nobody serves it')
    destination.now = undefined
    assert.equal(await call(rules.port), '', 'it was not redirected')
    assert.deepEqual(interceptor.stats, { accepted: 1, unknown: 2 })
  } finally {
    await interceptor.close()
  }
  assert.equal(rules.removed, 1)
})

test('the VIPs of outbound listeners are redirected, as they come and go, and nothing that could be a loop', async () => {
  const runtime = new AnsweringRuntime()
  runtime.setCluster(clusterFromXds(staticCluster('c', '10.0.0.9:80'), here).config)
  await runtime.add('demo', { ...vip, cluster: 'c' })
  await runtime.add('inbound', { host: '10.0.0.1', port: 20_880, direction: 'INBOUND', cluster: 'c' })
  await runtime.add('loopback', { host: '127.240.0.1', port: 20_880, cluster: 'c' })
  await runtime.add('an endpoint', { host: '10.0.0.9', port: 80, cluster: 'c' })
  const rules = new FakeRules()
  const interceptor = await start(runtime, rules, { now: undefined })
  try {
    assert.deepEqual(rules.sets.splice(0), [[], [vip]])
    interceptor.update()
    await settle()
    assert.equal(rules.sets.length, 0, 'nothing has changed')
    await runtime.add('other', { host: '193.193.192.193', port: 1, cluster: 'c' })
    await runtime.removeListener('demo')
    interceptor.update()
    interceptor.update()
    await settle()
    assert.deepEqual(rules.sets.splice(0), [[{ host: '193.193.192.193', port: 1 }]])

    rules.fail = true
    await runtime.add('third', { host: '193.193.192.194', port: 1, cluster: 'c' })
    interceptor.update()
    await settle()
    rules.fail = false
    interceptor.update()
    await settle()
    assert.equal(rules.sets.at(-1)?.length, 2, 'what failed is tried again with the next change')
  } finally {
    await interceptor.close()
  }
})

test('interception that can not begin says why, and leaves nothing behind', async () => {
  const rules = new FakeRules()
  rules.fail = true
  await assert.rejects(start(new AnsweringRuntime(), rules, { now: undefined }), /iptables says no/)
  assert.equal(rules.removed, 1)
  assert.equal(await call(rules.port), '')
  const taken = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => taken.once('listening', resolve))
  const { port } = taken.address() as AddressInfo
  await assert.rejects(start(new AnsweringRuntime(), new FakeRules(), { now: undefined }, port), {
    code: 'PROXY_INTERCEPT_FAILED',
    message: new RegExp(`--intercept ${port}: .*EADDRINUSE.*give another port`),
  })
  taken.close()
})
