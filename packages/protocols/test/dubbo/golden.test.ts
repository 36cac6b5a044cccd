import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DecoderV2 } from 'hessian.js'
import { ByteBuffer } from '../../src/byte-sink.ts'
import { decodeAll, withFrame } from '../../src/conformance/summary.ts'
import { dubbo } from '../../src/dubbo/index.ts'
import { demoService } from './frames.ts'
import { golden } from './golden.ts'

const peerService = 'io.aeraki.testing.dubbo.PeerService'
const attachments = { batchJob: 'true', user: 'ä😀', 'remote.application': 'aeraki-testing-consumer' }

for (const serialization of ['hessian2', 'fastjson2']) {
  describe(`frames of Apache Dubbo 3 in ${serialization}`, () => {
    for (const method of ['sayHello', 'describe', 'fail', 'tell', 'mixed']) {
      const service = method === 'sayHello' ? demoService : peerService
      test(`a call of ${method} shows its attributes`, () => {
        const [frame] = decodeAll(dubbo, 'request', golden(`${serialization}-${method}-request`))
        assert.ok(frame)
        assert.equal(frame.kind, method === 'tell' ? 'oneway' : 'request')
        assert.equal(frame.operation, `${service}/${method}`)
        const { timeout, ...others } = frame.attributes
        assert.ok(timeout === undefined || timeout === '20000')
        assert.deepEqual(others, { ...attachments, path: service, interface: service, method, version: '0.0.0' })
      })

      test(`a call of ${method} carries a mutation and is otherwise untouched`, () => {
        const bytes = golden(`${serialization}-${method}-request`)
        const changed = mutate('request', bytes, { batchJob: 'no', tracing: 'grün 😀' })
        const [before] = decodeAll(dubbo, 'request', bytes)
        const [after] = decodeAll(dubbo, 'request', changed)
        assert.ok(before && after)
        assert.deepEqual(after.attributes, { ...before.attributes, batchJob: 'no', tracing: 'grün 😀' })
        // Up to the attachments no byte but the length differs.
        const end = changed.lastIndexOf('path') - 1
        assert.deepEqual(changed.subarray(16, end - 5), bytes.subarray(16, end - 5))
        assert.deepEqual(mutate('request', changed, { batchJob: 'no', tracing: 'grün 😀' }), changed)
      })
    }

    test('responses show their status and attachments', () => {
      for (const method of ['sayHello', 'describe', 'mixed']) {
        const [frame] = decodeAll(dubbo, 'response', golden(`${serialization}-${method}-response`))
        assert.equal(frame?.status, 'ok')
        assert.deepEqual(
          frame.attributes,
          method === 'sayHello' ? { dubbo: '2.0.2', provider: 'golden' } : { dubbo: '2.0.2' },
        )
      }
    })

    test('an exception of the application is one', () => {
      const [frame] = decodeAll(dubbo, 'response', golden(`${serialization}-fail-response`))
      assert.equal(frame?.status, 'exception')
    })
  })
}

test('the attachments of a large object graph end where the frame ends', () => {
  const bytes = golden('hessian2-describe-request')
  const changed = mutate('request', bytes, { k: 'v' })
  assert.deepEqual(changed.subarray(16, -5), bytes.subarray(16, -1))
  assert.equal(changed.subarray(-5).toString('latin1'), '\x01k\x01vZ')
})

test('hessian.js reads a mutated response of Java', () => {
  const changed = mutate('response', golden('hessian2-sayHello-response'), { provider: 'other', added: 'yes' })
  const decoder = new DecoderV2(changed.subarray(16))
  assert.equal(decoder.read(), 4)
  assert.equal(decoder.read(), 'Hello world, response from golden')
  assert.deepEqual(decoder.read(), { provider: 'other', dubbo: '2.0.2', added: 'yes' })
  assert.equal(decoder.position(), changed.length - 16)
})

function mutate(side: 'request' | 'response', bytes: Buffer, set: Readonly<Record<string, string>>): Buffer {
  return withFrame(dubbo, side, bytes, (frame) => {
    const sink = new ByteBuffer()
    frame.write(sink, frame.idHigh, frame.idLow, { set: Object.entries(set).map(([key, value]) => ({ key, value })) })
    return Buffer.from(sink.view())
  })
}
