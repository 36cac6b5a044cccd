import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { DecoderV2, EncoderV2 } from 'hessian.js'
import { ByteBuffer } from '../../src/byte-sink.ts'
import { decodeAll, withFrame } from '../../src/conformance/summary.ts'
import type { KeyValue } from '../../src/contract.ts'
import { dubbo } from '../../src/dubbo/index.ts'
import { frameOf, hessian, hessianCall, hessianResponse } from './frames.ts'

test('what a mutation sets is what hessian.js reads, for any attachments and any keys', () => {
  const key = fc.oneof(
    fc.constantFrom('a', 'A', 'b', 'tracing'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
  )
  const text = fc.string({ unit: 'binary', maxLength: 1100 })
  fc.assert(
    fc.property(
      fc.dictionary(key, text, { noNullPrototype: true }),
      fc.array(fc.record({ key, value: text })),
      (before, set) => {
        fc.pre(![...Object.keys(before), ...set.map((entry) => entry.key)].includes('__proto__'))
        const expected = { ...before, ...Object.fromEntries(set.map((entry) => [entry.key, entry.value])) }
        const call = mutate('request', hessianCall({ types: 'I', arguments: [7], attachments: before }), set)
        assert.deepEqual(readCall(call), { arguments: [7], attachments: expected })
        const response = mutate('response', hessianResponse(20, [0, 1], 4, ['x'], before), set)
        assert.deepEqual(readResponse(response), [4, ['x'], expected])
      },
    ),
    { numRuns: 200 },
  )
})

test('references between arguments and attachments keep their meaning', () => {
  const shared = { list: [1, 2] }
  const encoder = new EncoderV2()
  for (const value of ['2.0.2', 'a.B', '0.0.0', 'm', 'Ljava/util/Map;', shared]) encoder.write(value)
  encoder.write({
    first: 'x',
    replaced: { $class: 'a.New', $: { n: 1 } },
    same: shared,
    second: { $class: 'a.New', $: { n: 2 } },
  })
  const bytes = frameOf(0xc2, 0, [0, 1], encoder.get())
  const changed = mutate('request', bytes, [
    { key: 'first', value: 'longer than before' },
    { key: 'replaced', value: 'now a string' },
  ])
  const { attachments } = readCall(changed)
  assert.deepEqual(attachments, {
    first: 'longer than before',
    replaced: 'now a string',
    same: { list: [1, 2] },
    second: { n: 2 },
  })
  assert.equal(decodeAll(dubbo, 'request', changed)[0]?.attributes['replaced'], 'now a string')
})

test('the last of several values for a key counts, before and after a mutation', () => {
  const twice = Buffer.concat([Buffer.from('H'), hessian('k', 'one', 'k', 'two'), Buffer.from('Z')])
  const head = hessianCall({}).subarray(16)
  const bytes = frameOf(0xc2, 0, [0, 1], Buffer.concat([head, twice]))
  assert.equal(decodeAll(dubbo, 'request', bytes)[0]?.attributes['k'], 'two')
  const changed = mutate('request', bytes, [
    { key: 'k', value: 'three' },
    { key: 'k', value: 'four' },
  ])
  assert.deepEqual(readCall(changed).attachments, { k: 'four' })
})

test('responses without attachments become responses with them', () => {
  const set = [{ key: 'k', value: 'v' }]
  assert.deepEqual(readResponse(mutate('response', hessianResponse(20, [0, 1], 1, 'x'), set)), [4, 'x', { k: 'v' }])
  assert.deepEqual(readResponse(mutate('response', hessianResponse(20, [0, 1], 2), set)), [5, { k: 'v' }])
  const exception = { $class: 'a.Failure', $: { detailMessage: 'no' } }
  const [kind, , attachments] = readResponse(mutate('response', hessianResponse(20, [0, 1], 0, exception), set))
  assert.deepEqual([kind, attachments], [3, { k: 'v' }])
})

test('what can not carry attachments passes as it is', () => {
  const set = [{ key: 'k', value: 'v' }]
  for (const body of [hessian(1, 'x', 'more'), hessian(null), hessian(7), Buffer.alloc(0)]) {
    const bytes = frameOf(0x02, 20, [0, 1], body)
    assert.deepEqual(mutate('response', bytes, set), bytes)
  }
})

test('a malformed call that is to be mutated leaves nothing half-written', () => {
  const whole = hessianCall({ types: 'Ljava/lang/Object;', arguments: [[1, 2, 3]], attachments: { a: 'b' } })
  for (let length = 17; length < whole.length - 1; length += 1) {
    const bytes = frameOf(0xc2, 0, [0, 1], whole.subarray(16, length))
    const sink = new ByteBuffer(1)
    try {
      withFrame(dubbo, 'request', bytes, (frame) => {
        frame.write(sink, 0, 1, { set: [{ key: 'k', value: 'v' }] })
        return true
      })
      assert.equal(decodeAll(dubbo, 'request', sink.view())[0]?.attributes['k'], 'v')
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'PROTOCOL_MALFORMED')
      assert.equal(sink.length, 0)
    }
  }
})

test("Dubbox's calls, with a number before the types, are read", () => {
  for (const count of [-1, 2]) {
    const types = count < 0 ? ['II'] : []
    const body = hessian('2.8.4', 'a.B', '0.0.0', 'm', count, ...types, 7, 8, { k: 'v' })
    assert.equal(decodeAll(dubbo, 'request', frameOf(0xc2, 0, [0, 1], body))[0]?.attributes['k'], 'v')
  }
})

test('attributes beyond the limit are not parsed, and not lost', () => {
  const attachments = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`k${index + 10}`, 'v']))
  const bytes = hessianCall({ attachments })
  const seen: (string | undefined)[] = []
  const sink = new ByteBuffer()
  dubbo.decoder('request', { maxFrameBytes: 10_000, maxAttributes: 5 }).push(bytes, {
    onFrame(frame) {
      seen.push(frame.attribute('k14'), frame.attribute('k15'))
      frame.write(sink, 0, 1, { set: [{ key: 'k10', value: 'w' }] })
      return true
    },
  })
  assert.deepEqual(seen, ['v', undefined])
  assert.deepEqual(readCall(sink.view()).attachments, { ...attachments, k10: 'w' })
})

function mutate(side: 'request' | 'response', bytes: Buffer, set: readonly KeyValue[]): Buffer {
  return withFrame(dubbo, side, bytes, (frame) => {
    const sink = new ByteBuffer(1)
    frame.write(sink, frame.idHigh, frame.idLow, { set })
    return Buffer.from(sink.view())
  })
}

/** The arguments and attachments of a call with one argument or none, as hessian.js reads them. */
function readCall(bytes: Buffer): { arguments: unknown[]; attachments: unknown } {
  assert.equal(bytes.readUInt32BE(12), bytes.length - 16)
  const decoder = new DecoderV2(bytes.subarray(16))
  const types = [0, 1, 2, 3, 4].map(() => decoder.read()).at(-1)
  const found = types === '' ? [] : [decoder.read()]
  const attachments = decoder.read()
  assert.equal(decoder.position(), bytes.length - 16)
  return { arguments: found, attachments }
}

function readResponse(bytes: Buffer): unknown[] {
  const decoder = new DecoderV2(bytes.subarray(16))
  const values: unknown[] = []
  while (decoder.position() < bytes.length - 16) values.push(decoder.read())
  return values
}
