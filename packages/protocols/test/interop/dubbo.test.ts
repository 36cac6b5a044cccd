/** The Dubbo codec between Apache Dubbo 3 (Java), sofa-rpc-node and dubbo2.js. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type DubboConsumer,
  type DubboProvider,
  needPeer,
  startDubboConsumer,
  startDubboProvider,
} from '@aeraki/testing'
import type { Frame, LocalErrorType } from '../../src/contract.ts'
import { statusOf } from '../../src/dubbo/encode.ts'
import { dubbo } from '../../src/dubbo/index.ts'
import { type Decision, freePort, type Relay, startRelay } from '../support/relay.ts'

const peer = needPeer('dubbo-java')
const skipJava = peer.skip === false ? needPeer('java').skip : peer.skip

const set = [
  { key: 'tracing', value: 'grün 😀' },
  { key: 'batchJob', value: 'no' },
]

for (const providerKind of ['java', 'sofa'] as const) {
  describe(`with a ${providerKind} provider`, { skip: providerKind === 'java' && skipJava }, () => {
    let provider: DubboProvider
    let relay: Relay
    before(async () => {
      provider = await startDubboProvider(providerKind, { port: await freePort(), name: 'v1' })
      relay = await startRelay(dubbo, pass)
    })
    after(async () => {
      await relay.close()
      await provider.stop()
    })
    const pass = (): Decision => ({ port: provider.port })

    const consumers = [
      { name: 'java', kind: 'java', serialization: 'hessian2' },
      { name: 'java with fastjson2', kind: 'java', serialization: 'fastjson2' },
      { name: 'sofa', kind: 'sofa' },
      { name: 'dubbo2', kind: 'dubbo2' },
    ] as const
    for (const { name, kind, ...options } of consumers) {
      // Sofa knows Hessian2 alone.
      if (providerKind === 'sofa' && name === 'java with fastjson2') continue
      describe(`and a ${name} consumer`, { skip: kind === 'java' && skipJava }, () => {
        let consumer: DubboConsumer
        before(async () => {
          consumer = await startDubboConsumer(kind, { address: `127.0.0.1:${relay.port}`, ...options })
        })
        after(() => consumer.stop())

        test('calls pass, many at once, and show interface and method', async () => {
          let wrong = 0
          relay.decide = (frame) => {
            if (frame.attribute('method') !== 'sayHello') wrong += 1
            if (frame.attribute('interface') !== 'org.apache.dubbo.samples.basic.api.DemoService') wrong += 1
            return pass()
          }
          const calls = await consumer.call('sayHello', { count: 100, threads: 8 })
          assert.deepEqual(
            new Set(calls.map((call) => call.value ?? call.error)),
            new Set(['Hello world, response from v1']),
          )
          assert.equal(wrong, 0)
        })

        test('the provider sees the attachments that a mutation sets', async () => {
          relay.decide = (): Decision => ({ ...pass(), request: { set }, response: { set } })
          const [call] = await consumer.call('describe', {
            attachments: kind === 'dubbo2' ? {} : { batchJob: 'true', user: 'ä' },
          })
          assert.ok(call)
          assert.equal(call.error, undefined)
          const { attachments } = call.value as { attachments: Record<string, unknown> }
          assert.equal(attachments['tracing'], 'grün 😀')
          assert.equal(attachments['batchJob'], 'no')
          if (kind !== 'dubbo2') assert.equal(attachments['user'], 'ä')
          if (kind === 'java') assert.equal(call.attachments?.['tracing'], 'grün 😀')
        })

        test("the application's exception arrives, also with a mutated response", async () => {
          relay.decide = (): Decision => ({ ...pass(), response: { set } })
          const [call] = await consumer.call('fail')
          assert.match(call?.error ?? '', /no way/)
        })

        test('every local error is raised with its message', async () => {
          for (const type of Object.keys(statusOf) as LocalErrorType[]) {
            const message = `local reply: ${type}, grün`
            relay.decide = () => ({ error: { type, message } })
            const [call] = await consumer.call('sayHello')
            assert.ok(call?.error?.includes(message), `${type}: ${JSON.stringify(call)}`)
          }
        })

        // dubbo2.js sends no attachments of its users.
        if (kind !== 'dubbo2') {
          test('an attachment decides where a call goes', async () => {
            relay.decide = (frame: Frame) =>
              frame.attribute('batchjob') === 'true'
                ? pass()
                : { error: { type: 'route-not-found', message: 'no route' } }
            const [batch] = await consumer.call('sayHello', { attachments: { batchJob: 'true' } })
            assert.equal(batch?.value, 'Hello world, response from v1')
            const [other] = await consumer.call('sayHello', { attachments: { batchJob: 'false' } })
            assert.match(other?.error ?? '', /no route/)
          })
        }

        if (kind === 'java') {
          test('a timeout is a timeout to Java, other errors are failures of the network', async () => {
            relay.decide = () => ({ error: { type: 'timeout', message: 'too late' } })
            assert.equal((await consumer.call('sayHello'))[0]?.code, 2)
            relay.decide = () => ({ error: { type: 'over-limit', message: 'too many' } })
            assert.equal((await consumer.call('sayHello'))[0]?.code, 1)
          })
        }

        if (kind === 'java' && providerKind === 'java') {
          test('one-way calls are forwarded and nobody waits', async () => {
            relay.decide = pass
            const [told] = await consumer.call('told')
            await consumer.call('tell', { count: 5 })
            await consumer.call('describe')
            const [afterwards] = await consumer.call('told')
            assert.equal(Number(afterwards?.value) - Number(told?.value), 5)
            assert.ok(relay.seen.includes('oneway io.aeraki.testing.dubbo.PeerService/tell'))
          })
        }
      })
    }
  })
}

test('heartbeats are answered both ways, and a provider that stops says so', { skip: skipJava }, async () => {
  const provider = await startDubboProvider('java', { port: await freePort() })
  const relay = await startRelay(dubbo, () => ({ port: provider.port }))
  const consumer = await startDubboConsumer('java', { address: `127.0.0.1:${relay.port}`, heartbeat: 1000 })
  try {
    await consumer.call('sayHello')
    relay.sendHeartbeats()
    await until(() => relay.seen.includes('heartbeat-reply'))
    const { accepted } = relay
    // A consumer whose heartbeats stay unanswered reconnects after the third.
    await until(() => relay.seen.filter((kind) => kind === 'heartbeat').length >= 8)
    assert.equal(relay.accepted, accepted)
    assert.equal((await consumer.call('sayHello'))[0]?.error, undefined)
    await provider.stop()
    await until(() => relay.seen.includes('goaway'))
  } finally {
    await consumer.stop()
    await provider.stop()
    await relay.close()
  }
})

/** The test runner's own time limit ends it when that never comes. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(20)
}
