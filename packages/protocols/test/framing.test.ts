import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Collector } from '../src/conformance/summary.ts'
import { defaultLimits } from '../src/contract.ts'
import { dubbo } from '../src/dubbo/index.ts'
import { frameOf, hessianCall } from './dubbo/frames.ts'

test('a length field alone makes nobody allocate: memory follows the bytes that came', () => {
  const decoder = dubbo.decoder('request', defaultLimits)
  const header = frameOf(0xc2, 0, [0, 1], Buffer.alloc(0))
  header.writeUInt32BE(16 * 1024 * 1024 - 16, 12)
  decoder.push(header, new Collector())
  for (let sent = 0; sent < 100; sent += 1) decoder.push(Buffer.alloc(1), new Collector())
  assert.equal(decoder.buffered, 116)
})

test('a length with the high bit set is too large, not negative', () => {
  for (const length of [0x80000000, 0xffffffff, 0xfffffff0]) {
    const header = frameOf(0xc2, 0, [0, 1], Buffer.alloc(0))
    header.writeUInt32BE(length, 12)
    const decoder = dubbo.decoder('request', defaultLimits)
    assert.throws(() => decoder.push(header, new Collector()), { code: 'PROTOCOL_FRAME_TOO_LARGE' })
  }
})

test('another protocol is told by its first two bytes', () => {
  for (const text of ['G', 'GET / HTTP/1.1', '\xda\xbc', '\x80\x01']) {
    const decoder = dubbo.decoder('request', defaultLimits)
    assert.throws(() => decoder.push(Buffer.from(text, 'latin1'), new Collector()), { code: 'PROTOCOL_BAD_MAGIC' })
  }
})

test('a frame after a bad one is not reached', () => {
  const good = hessianCall({})
  const collector = new Collector()
  const decoder = dubbo.decoder('request', defaultLimits)
  assert.throws(() => decoder.push(Buffer.concat([good, Buffer.from('??'), good]), collector), {
    code: 'PROTOCOL_BAD_MAGIC',
  })
  assert.equal(collector.frames.length, 1)
})

test('bytes that come while the decoder is paused are kept in their order', () => {
  const frames = [1, 2, 3, 4].map((id) => hessianCall({ id: [0, id] }))
  const collector = new Collector((count) => count < 4)
  const decoder = dubbo.decoder('request', defaultLimits)
  const bytes = Buffer.concat(frames)
  decoder.push(bytes.subarray(0, 100), collector)
  decoder.push(bytes.subarray(100, 101), collector)
  decoder.push(bytes.subarray(101), collector)
  assert.equal(collector.frames.length, 1)
  for (const _ of frames) decoder.resume(collector)
  assert.deepEqual(
    collector.frames.map((frame) => frame.idLow),
    [1, 2, 3, 4],
  )
})
