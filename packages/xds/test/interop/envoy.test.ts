/** The ADS server against real Envoy, in both variants. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { type AddressInfo } from 'node:net'
import { after, describe, test } from 'node:test'
import { needPeer } from '@aeraki/testing'
import { type AdsServer, createAdsServer, StaticProvider, typeUrls, type TypeView } from '../../src/index.ts'
import { badCluster, cluster, endpoints, httpListener, routes, tcpListener } from '../resources.ts'
import { waitFor } from '../wait-for.ts'
import { EnvoyProcess } from './envoy-process.ts'

const envoy = needPeer('envoy')

for (const apiType of ['GRPC', 'DELTA_GRPC'] as const) {
  describe(`Envoy with ADS over ${apiType}`, { skip: envoy.skip }, () => {
    const provider = new StaticProvider()
    const backends: Server[] = []
    const cleanUp: (() => Promise<void>)[] = []
    after(async () => {
      for (const step of cleanUp.toReversed()) await step()
    })

    test('follows resources as they come, change, are refused and go', async (t) => {
      const one = await backend('one')
      const two = await backend('two')
      provider.set(
        cluster('a'),
        endpoints('a', one),
        routes('r', 'a'),
        httpListener('http', 'r'),
        tcpListener('tcp', 'a'),
      )
      let server = await createAdsServer({ provider, listen: { host: '127.0.0.1', port: 0 } })
      cleanUp.push(() => server.close())
      const { port } = server.address
      const process = await EnvoyProcess.start({ path: envoy.path, nodeId: 'envoy-1', adsPort: port, apiType })
      cleanUp.push(() => process.stop())

      const ports = await waitFor('both listeners', async () => {
        const found = await process.ports()
        return found.size === 2 ? found : undefined
      })
      const url = `http://127.0.0.1:${ports.get('http')}/`
      const ask = async (): Promise<string> => await (await fetch(url, { headers: { connection: 'close' } })).text()

      await t.test('traffic flows through the HTTP connection manager and the TCP proxy', async () => {
        await waitFor('the first answer', async () => (await ask()) === 'one')
        const overTcp = await (
          await fetch(`http://127.0.0.1:${ports.get('tcp')}/`, { headers: { connection: 'close' } })
        ).text()
        assert.equal(overTcp, 'one')
      })

      await t.test('all four types were accepted', async () => {
        const views = await waitFor('four accepted types', () => {
          const all = types(server)
          return all.size === 4 && [...all.values()].every((view) => view.acks > 0 && !view.pending) && all
        })
        assert.deepEqual(
          [...views.values()].map((view) => view.nacks),
          [0, 0, 0, 0],
        )
        assert.deepEqual(views.get(typeUrls.endpoints)?.names, ['a'])
        assert.equal(views.get(typeUrls.cluster)?.wildcard, true)
      })

      await t.test('new endpoints are followed', async () => {
        provider.set(endpoints('a', two))
        await waitFor('the other backend', async () => (await ask()) === 'two')
      })

      await t.test('a route to a cluster that comes with it loses no request', async () => {
        const stop = new AbortController()
        const seen: string[] = []
        const asking = (async () => {
          while (!stop.signal.aborted) seen.push(await ask())
        })()
        provider.set(routes('r', 'b'), endpoints('b', one), cluster('b'))
        await waitFor('the new route', () => seen.at(-1) === 'one')
        stop.abort()
        await asking
        assert.deepEqual([...new Set(seen)].toSorted(), ['one', 'two'])
      })

      await t.test('a cluster that changes gets its endpoints again', async () => {
        provider.set(cluster('b', 2000))
        await waitFor('the changed cluster', async () =>
          (await process.get('/config_dump')).includes('"connect_timeout": "2s"'),
        )
        await waitFor('no cluster to be warming', async () => (await process.clusters('warming')).length === 0)
        assert.equal(await ask(), 'one')
      })

      await t.test('a bad cluster is refused with the reason, and the good ones stay', async () => {
        provider.set(badCluster('bad'))
        const nack = await waitFor('the NACK', () => types(server).get(typeUrls.cluster)?.lastNack)
        assert.match(nack.reason, /bad/)
        assert.deepEqual(nack.resources, ['bad'])
        assert.equal(server.counters.of(typeUrls.cluster).nacks, 1)
        assert.equal(await ask(), 'one')
        provider.set(cluster('bad'), endpoints('bad', one))
        await waitFor('the mended cluster', async () => (await process.clusters('active')).includes('bad'))
        await waitFor('the NACK to be resolved', () => types(server).get(typeUrls.cluster)?.lastNack?.resolved)
      })

      await t.test('what is removed goes', async () => {
        provider.update(
          [],
          [
            { typeUrl: typeUrls.listener, name: 'tcp' },
            { typeUrl: typeUrls.cluster, name: 'a' },
            { typeUrl: typeUrls.endpoints, name: 'a' },
            { typeUrl: typeUrls.cluster, name: 'bad' },
            { typeUrl: typeUrls.endpoints, name: 'bad' },
          ],
        )
        await waitFor('the clusters to go', async () => String(await process.clusters('active')) === 'b')
        await waitFor('the listener to go', async () => !(await process.ports()).has('tcp'))
        await waitFor('the endpoints to be dropped', () => String(types(server).get(typeUrls.endpoints)?.names) === 'b')
        assert.equal(await ask(), 'one')
      })

      await t.test('the next server on the port sends only what is new', async () => {
        await settled(server)
        await server.close()
        assert.equal(await ask(), 'one')
        provider.set(endpoints('b', two))
        server = await createAdsServer({ provider, listen: { host: '127.0.0.1', port } })
        await waitFor('the change', async () => (await ask()) === 'two')
        await settled(server)
        const pushes = [...server.counters.byType].map(([typeUrl, { pushes: count }]) => [typeUrl, count])
        const expected =
          apiType === 'DELTA_GRPC' ? { [typeUrls.endpoints]: 1 } : { [typeUrls.endpoints]: 1, [typeUrls.routes]: 1 }
        assert.deepEqual(Object.fromEntries(pushes.filter(([, count]) => count !== 0)), expected)
      })
    })

    async function backend(name: string): Promise<number> {
      const server = createServer((_request, response) => response.end(name))
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      backends.push(server)
      cleanUp.push(async () => {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      })
      return (server.address() as AddressInfo).port
    }
  })
}

function types(server: AdsServer): ReadonlyMap<string, TypeView> {
  return new Map(server.clients().flatMap(({ types: views }) => views.map((view) => [view.typeUrl, view])))
}

/** All four types are subscribed and nothing is in flight. */
async function settled(server: AdsServer): Promise<void> {
  await waitFor(
    'the stream to settle',
    () => types(server).size === 4 && [...types(server).values()].every((view) => !view.pending),
  )
}
