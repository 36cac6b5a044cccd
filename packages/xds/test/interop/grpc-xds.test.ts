/** The ADS server against gRPC's own xDS clients: C-core by way of Python, and grpc-js. Both are state-of-the-world. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { describe, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { needPeer } from '@aeraki/testing'
import { type AdsServer, createAdsServer, StaticProvider, typeUrls, type TypeView } from '../../src/index.ts'
import { apiListener, badCluster, cluster, endpoints, routes } from '../resources.ts'
import { waitFor } from '../wait-for.ts'

const python = needPeer('python')
const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

const clients = [
  { name: 'gRPC C-core', skip: python.skip, command: python.path, script: file('grpc_client.py') },
  { name: 'grpc-js', skip: false as const, command: process.execPath, script: file('grpc-js-client.ts') },
]

for (const { name, skip, command, script } of clients) {
  describe(name, { skip }, () => {
    test('calls through LDS, RDS, CDS and EDS, and follows changes', async (t) => {
      const one = await backend(t, 'one')
      const two = await backend(t, 'two')
      const provider = new StaticProvider()
      provider.set(apiListener('echo', 'r'), routes('r', 'a'), cluster('a'), endpoints('a', one))
      // What it didn't ask for by name it must not get.
      provider.set(apiListener('other', 'r2'), cluster('c'))
      let server = await createAdsServer({ provider, listen: { host: '127.0.0.1', port: 0 } })
      t.after(() => server.close())
      const { port } = server.address
      const call = startClient(t, command, script, port)

      await t.test('the first call finds its way', async () => {
        await waitFor('the first answer', async () => (await call()) === 'one')
        const views = await waitFor('four accepted types', () => settled(server))
        assert.deepEqual(
          [...views.values()].map(({ names, wildcard, nacks }) => ({ names, wildcard, nacks })),
          ['echo', 'r', 'a', 'a'].map((only) => ({ names: [only], wildcard: false, nacks: 0 })),
        )
      })

      await t.test('new endpoints are followed', async () => {
        provider.set(endpoints('a', two))
        await waitFor('the other backend', async () => (await call()) === 'two')
      })

      await t.test('a new route is followed, to a cluster asked for because of it', async () => {
        provider.set(routes('r', 'b'), cluster('b'), endpoints('b', one))
        await waitFor('the new route', async () => (await call()) === 'one')
      })

      await t.test('a bad cluster is refused with the reason; a route to it fails until it is mended', async () => {
        provider.set(routes('r', 'bad'), badCluster('bad'))
        await waitFor('calls to fail', async () => (await call()).startsWith('!'))
        const nack = await waitFor('the NACK', () => types(server).get(typeUrls.cluster)?.lastNack)
        assert.notEqual(nack.reason, '')
        provider.set(cluster('bad'), endpoints('bad', two))
        await waitFor('calls to succeed', async () => (await call()) === 'two')
        assert.equal(types(server).get(typeUrls.cluster)?.lastNack?.resolved, true)
      })

      await t.test('the next server on the port is followed, and calls go on in between', async () => {
        await server.close()
        assert.equal(await call(), 'two')
        provider.set(endpoints('bad', one))
        server = await createAdsServer({ provider, listen: { host: '127.0.0.1', port } })
        await waitFor('the change', async () => (await call()) === 'one', 30_000)
      })

      await t.test('calls fail when the listener is removed, and succeed when it is back', async () => {
        provider.delete(typeUrls.listener, 'echo')
        await waitFor('calls to fail', async () => (await call()).startsWith('!'))
        // Not with what it had: grpc-js compares that with what it had before the removal, and finds no news in it.
        provider.set(apiListener('echo', 'again'), routes('again', 'bad'))
        await waitFor('calls to succeed', async () => (await call()) === 'one')
      })
    })
  })
}

const same = (bytes: Buffer): Buffer => bytes

/** Returns what calls once and gives the reply. */
function startClient(t: TestContext, command: string, script: string, adsPort: number): () => Promise<string> {
  const bootstrap = {
    xds_servers: [
      { server_uri: `127.0.0.1:${adsPort}`, channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] },
    ],
    node: { id: 'grpc-1', locality: {} },
  }
  const env = { ...process.env, GRPC_VERBOSITY: 'NONE', GRPC_XDS_BOOTSTRAP_CONFIG: JSON.stringify(bootstrap) }
  const child: ChildProcess = spawn(command, [script, 'xds:///echo'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  })
  const { stdin, stdout } = child
  assert.ok(stdin !== null && stdout !== null)
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  return async () => {
    stdin.write('\n')
    const { value, done } = await lines.next()
    assert.notEqual(done, true, 'the client has died')
    return String(value)
  }
}

async function backend(t: TestContext, name: string): Promise<number> {
  const server = new Server()
  const method = {
    path: '/test.Echo/Name',
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  } as const
  server.addService(
    { name: method },
    {
      name: (_call: unknown, reply: (error: null, value: Buffer) => void) => reply(null, Buffer.from(name)),
    },
  )
  t.after(() => server.forceShutdown())
  return await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port)
      else reject(error)
    })
  })
}

function types(server: AdsServer): ReadonlyMap<string, TypeView> {
  return new Map(server.clients().flatMap(({ types: views }) => views.map((view) => [view.typeUrl, view])))
}

function settled(server: AdsServer): ReadonlyMap<string, TypeView> | undefined {
  const all = types(server)
  const order = [typeUrls.listener, typeUrls.routes, typeUrls.cluster, typeUrls.endpoints]
  const views = order.flatMap((typeUrl): [string, TypeView][] => {
    const view = all.get(typeUrl)
    return view === undefined || view.pending || view.acks === 0 ? [] : [[typeUrl, view]]
  })
  return views.length === order.length ? new Map(views) : undefined
}
