/** Third-party Dubbo consumers and providers through the proxy, while its rules change. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  type DubboCall,
  type DubboConsumer,
  type DubboProvider,
  needPeer,
  startDubboConsumer,
  startDubboProvider,
} from '@aeraki/testing'
import type { RouteConfig } from '../../src/config/model.ts'
import { exact, freePort, route, type SmallMesh, startSmallMesh } from '../support/small-mesh.ts'

const peer = needPeer('dubbo-java')
const skipJava = peer.skip === false ? needPeer('java').skip : peer.skip

const set = [
  { key: 'tracing', value: 'grün 😀' },
  { key: 'batchJob', value: 'no' },
]

for (const providerKind of ['java', 'sofa'] as const) {
  describe(`${providerKind} providers behind the proxy`, { skip: providerKind === 'java' && skipJava }, () => {
    let v1: DubboProvider
    let v2: DubboProvider
    let mesh: SmallMesh
    before(async () => {
      v1 = await startDubboProvider(providerKind, { port: await freePort(), name: 'v1' })
      v2 = await startDubboProvider(providerKind, { port: await freePort(), name: 'v2' })
      mesh = await startSmallMesh('dubbo', { v1: [v1.port], v2: [v2.port], nowhere: [], dead: [await freePort()] })
    })
    after(async () => {
      await mesh.close()
      await v1.stop()
      await v2.stop()
    })

    const consumers = [
      { name: 'java', kind: 'java', serialization: 'hessian2' },
      { name: 'java with fastjson2', kind: 'java', serialization: 'fastjson2' },
      { name: 'sofa', kind: 'sofa' },
      { name: 'dubbo2', kind: 'dubbo2' },
    ] as const
    for (const { name, kind, ...options } of consumers) {
      // Sofa knows Hessian2 alone.
      if (providerKind === 'sofa' && name === 'java with fastjson2') continue
      describe(`called by a ${name} consumer`, { skip: kind === 'java' && skipJava }, () => {
        let consumer: DubboConsumer
        before(async () => {
          mesh.setRoutes(route('v1'))
          consumer = await startDubboConsumer(kind, { address: mesh.address, group: '', ...options })
        })
        after(() => consumer.stop())

        test('are chosen by method', async () => {
          mesh.setRoutes(route('v2', { match: [exact('method', 'sayHello')] }), route('v1'))
          assert.deepEqual(providersOf(await consumer.call('sayHello', { count: 50, threads: 8 })), { v2: 50 })
          const [described] = await consumer.call('describe')
          assert.ok(described)
          assert.equal((described.value as { provider: string }).provider, 'v1')
        })

        // dubbo2.js sends no attachments of its users.
        if (kind !== 'dubbo2') {
          test('are chosen by attachment', async () => {
            mesh.setRoutes(route('v2', { match: [exact('batchjob', 'true')] }), route('v1'))
            assert.deepEqual(providersOf(await consumer.call('sayHello', { attachments: { batchJob: 'true' } })), {
              v2: 1,
            })
            assert.deepEqual(providersOf(await consumer.call('sayHello', { attachments: { batchJob: 'false' } })), {
              v1: 1,
            })
          })
        }

        test('see what a rule adds to requests, and consumers what it adds to responses', async () => {
          mesh.setRoutes(route('v1', { requestMutation: { set }, responseMutation: { set } }))
          const [call] = await consumer.call('describe')
          assert.ok(call)
          const { attachments } = call.value as { attachments: Record<string, unknown> }
          assert.equal(attachments['tracing'], 'grün 😀')
          assert.equal(attachments['batchJob'], 'no')
          if (kind === 'java') assert.equal(call.attachments?.['tracing'], 'grün 😀')
        })

        test("answer with their applications' exceptions", async () => {
          mesh.setRoutes(route('v1'))
          assert.match((await consumer.call('fail'))[0]?.error ?? '', /no way/)
        })

        test('that can not be reached make consumers raise an exception with the reason', async () => {
          const errorOf = errors(mesh, consumer)
          const reasons = [
            await errorOf(),
            await errorOf(route('v3')),
            await errorOf(route('nowhere')),
            await errorOf(route('dead')),
            await errorOf(route('v1', { timeoutMs: 50 })),
          ]
          assert.equal(new Set(reasons).size, reasons.length, reasons.join('\n'))
        })

        test('get every call while the rules change a hundred times under it', async () => {
          const rules = [
            [route('v1')],
            [route('v2')],
            [route({ v1: 30, v2: 70 })],
            [route('v2', { match: [exact('method', 'sayHello')] }), route('v1')],
            [route('v1', { requestMutation: { set }, responseMutation: { set } })],
          ]
          const changes = { made: 0 }
          const timer = setInterval(() => {
            mesh.setRoutes(...(rules[changes.made % rules.length] ?? []))
            changes.made += 1
          }, 2)
          const counts: Record<string, number> = {}
          while (changes.made < 100) {
            const calls = await consumer.call('sayHello', { count: 200, threads: 8 })
            for (const [provider, count] of Object.entries(providersOf(calls))) {
              counts[provider] = (counts[provider] ?? 0) + count
            }
          }
          clearInterval(timer)
          assert.deepEqual(Object.keys(counts).toSorted(), ['v1', 'v2'])
        })
      })
    }
  })
}

/** How many answers came from each provider; fails when one is not an answer. */
function providersOf(calls: readonly DubboCall[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const call of calls) {
    const [, provider] = /^Hello world, response from (\w+)$/.exec(String(call.value)) ?? []
    assert.ok(provider !== undefined, JSON.stringify(call))
    counts[provider] = (counts[provider] ?? 0) + 1
  }
  return counts
}

/** Calls under these routes; returns the exception's message. */
function errors(mesh: SmallMesh, consumer: DubboConsumer) {
  return async (...routes: readonly RouteConfig[]): Promise<string> => {
    mesh.setRoutes(...routes)
    const [call] = await consumer.call('sleep')
    assert.ok(call?.error !== undefined, JSON.stringify(call))
    return call.error
  }
}
