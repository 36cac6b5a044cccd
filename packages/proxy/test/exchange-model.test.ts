/**
 * Clients and servers that do anything at any time: every request ends exactly once. An exchange that ended twice throws,
 * and one that never ended, or was answered twice, shows in the sums.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { cluster, endpoint, endpoints, Harness, locality, route, until } from './support/harness.ts'
import { echo, type KvClient, type Received, type ServerConnection } from './support/kv-peers.ts'
import { encode, kvProtocol } from './support/kv-protocol.ts'

/** What can happen; numbers choose among clients and servers. */
type Step =
  | { readonly kind: 'request' | 'oneway' | 'garbage' | 'half-close' | 'reset' | 'connect'; readonly who: number }
  | {
      readonly kind: 'answer' | 'stray' | 'server-garbage' | 'server-close' | 'cut' | 'goaway' | 'error'
      readonly who: number
    }
  | { readonly kind: 'routes' | 'endpoints' | 'wait'; readonly who: number }

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 12, arbitrary: fc.constant('request' as const) },
    { weight: 8, arbitrary: fc.constant('answer' as const) },
    { weight: 3, arbitrary: fc.constantFrom('oneway' as const, 'wait' as const, 'error' as const, 'connect' as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        'garbage' as const,
        'half-close' as const,
        'reset' as const,
        'stray' as const,
        'server-garbage' as const,
      ),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        'server-close' as const,
        'cut' as const,
        'goaway' as const,
        'routes' as const,
        'endpoints' as const,
      ),
    },
  ),
  who: fc.nat(1000),
})

const protocols = [kvProtocol('multiplexed'), kvProtocol('exclusive', { ordered: true }), kvProtocol('bound')]

for (const protocol of protocols) {
  describe(`exchanges (${protocol.name})`, () => {
    test('whatever clients and servers do, each request ends once, with one outcome', async (t) => {
      const mesh = new Harness(t, {
        protocol,
        limits: { maxInFlightPerConnection: 6, maxTombstones: 3, connectBackoffMs: 5 },
      })
      const asked: { message: Received; connection: ServerConnection }[] = []
      const behaviour = (message: Received, connection: ServerConnection): void => {
        if (message.kind === 'request') asked.push({ message, connection })
      }
      const servers = await Promise.all([mesh.server(behaviour), mesh.server(behaviour)])
      const mirror = await mesh.server(echo('mirror'))
      mesh.runtime.setCluster(cluster('mirror', [mirror.port]))
      mesh.runtime.setCluster(cluster('c', [], { endpoints: { kind: 'eds', name: 'eds' } }))
      await mesh.listen([])

      const play = async (steps: readonly Step[]): Promise<void> => {
        let clients: KvClient[] = [await mesh.client(), await mesh.client()]
        let sent = 0
        setRoutes(mesh, 0)
        setEndpoints(
          mesh,
          servers.map(({ port }) => port),
          0,
        )
        for (const { kind, who } of steps) {
          clients = clients.filter(({ isClosed, socket }) => !isClosed && !socket.writableEnded)
          const client = clients[who % Math.max(1, clients.length)]
          const question = asked.length === 0 ? undefined : asked[who % asked.length]
          switch (kind) {
            case 'connect':
              if (clients.length < 5) clients.push(await mesh.client())
              break
            case 'request':
            case 'oneway':
              sent += 1
              client?.send({ kind, id: sent, pairs: { method: who % 9 === 0 ? 'nowhere' : 'm' } })
              break
            case 'garbage':
              client?.socket.write(Buffer.alloc(20, 0xff))
              break
            case 'half-close':
              client?.socket.end()
              break
            case 'reset':
              client?.socket.resetAndDestroy()
              break
            case 'answer':
            case 'error':
            case 'stray':
              if (question === undefined) break
              question.connection.send({
                kind: 'response',
                high: question.message.high,
                id: question.message.id + (kind === 'stray' ? 7 : 0),
                status: kind === 'error' ? 'error' : 'ok',
              })
              if (kind !== 'stray') asked.splice(asked.indexOf(question), 1)
              break
            case 'server-garbage':
              question?.connection.socket.write(Buffer.alloc(20, 0xff))
              break
            case 'server-close':
              question?.connection.socket.end()
              break
            case 'cut':
              question?.connection.socket.write(
                encode({ kind: 'response', id: question.message.id, body: 'xxxx' }).subarray(0, 16),
              )
              question?.connection.socket.resetAndDestroy()
              break
            case 'goaway':
              question?.connection.send({ kind: 'goaway', id: 0 })
              break
            case 'routes':
              setRoutes(mesh, who)
              break
            case 'endpoints':
              setEndpoints(
                mesh,
                servers.map(({ port }) => port),
                who,
              )
              break
            case 'wait':
              await new Promise((resolve) => {
                setTimeout(resolve, who % 4)
              })
          }
          // Often everything that was sent has arrived before the next step, and sometimes it has not.
          for (let turns = who % 8; turns > 0; turns -= 1) {
            await new Promise((resolve) => {
              setImmediate(resolve)
            })
          }
        }
        for (const client of clients) client.socket.end()
        await until(() => mesh.stat('request_active') === 0)
        assert.equal(outcomes(mesh), mesh.stat('request'), 'as many outcomes as requests')
        await until(
          () =>
            mesh.clusterStat('c', 'upstream_rq_active') === 0 && mesh.clusterStat('mirror', 'upstream_rq_active') === 0,
        )
        assert.equal(mesh.clusterStat('c', 'upstream_rq_pending_active'), 0)
        asked.length = 0
      }

      await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 80 }), play), {
        numRuns: 30,
        endOnFailure: true,
      })
    })
  })
}

function outcomes(mesh: Harness): number {
  const names = ['response', 'local_reply', 'oneway', 'reset']
  return names.reduce((sum, name) => sum + mesh.stat(`outcome.${name}`), 0)
}

function setRoutes(mesh: Harness, who: number): void {
  const mirrors = who % 2 === 0 ? [] : [{ cluster: 'mirror', fraction: 1 }]
  mesh.routes([route('c', { method: 'm' }, { timeoutMs: 20 + (who % 30), mirrors })])
}

/** Now and then with one that can't be connected to, or only one. */
function setEndpoints(mesh: Harness, ports: readonly number[], who: number): void {
  const chosen = who % 3 === 0 ? ports : who % 3 === 1 ? [...ports, 1] : ports.slice(0, 1)
  mesh.runtime.setEndpoints(endpoints('eds', [locality(chosen.map((port) => endpoint(port)))]))
}
