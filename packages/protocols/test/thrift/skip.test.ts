import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { Collector, decodeAll, pushCopy } from '../../src/conformance/summary.ts'
import { defaultLimits } from '../../src/contract.ts'
import { thrift } from '../../src/thrift/index.ts'
import { maxDepth } from '../../src/thrift/skipper.ts'
import type { Form, Writer } from './messages.ts'
import { encode, forms, protocolNames, types } from './messages.ts'
import { fields } from './values.ts'

describe('unframed messages end where they end', () => {
  for (const protocol of protocolNames) {
    const form = { transport: 'unframed', protocol } as const

    test(`${protocol}: random structs are skipped exactly, however they are cut`, () => {
      const name = fc.constantFrom('a', 'sayHello', 'Greeter:sayHello')
      const calls = fc.array(fc.tuple(name, fc.integer(), fields), { minLength: 1, maxLength: 4 })
      fc.assert(
        fc.property(calls, fc.array(fc.nat(), { maxLength: 20 }), (messages, cuts) => {
          const frames = messages.map(([operation, seqid, args]) =>
            encode(form, { name: operation, type: types.call, seqid, fields: args }),
          )
          const bytes = Buffer.concat(frames)
          const collector = new Collector()
          const decoder = thrift.decoder('request', defaultLimits)
          const places = cuts.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b)
          let from = 0
          for (const to of [...places, bytes.length]) {
            pushCopy(decoder, bytes.subarray(from, to), collector)
            from = to
          }
          assert.deepEqual(
            collector.frames.map(({ operation, idLow, written }) => ({ operation, idLow, written })),
            messages.map(([operation, seqid], index) => ({
              operation,
              idLow: seqid,
              written: frames[index]?.toString('hex'),
            })),
          )
          assert.equal(decoder.buffered, 0)
        }),
        { numRuns: 300 },
      )
    })

    test(`${protocol}: a megabyte that comes in small pieces is cut as one frame`, () => {
      const bytes = encode(form, {
        name: 'upload',
        type: types.call,
        seqid: 1,
        fields(to) {
          to.writeFieldBegin('', 15, 1)
          to.writeListBegin(11, 20_000)
          for (let index = 0; index < 20_000; index += 1) to.writeString(`entry ${index} ${'.'.repeat(40)}`)
          to.writeListEnd()
          to.writeFieldEnd()
        },
      })
      const collector = new Collector()
      const decoder = thrift.decoder('request', defaultLimits)
      for (let at = 0; at < bytes.length; at += 97) pushCopy(decoder, bytes.subarray(at, at + 97), collector)
      assert.deepEqual(
        collector.frames.map((frame) => frame.length),
        [bytes.length],
      )
    })

    test(`${protocol}: structs within structs are skipped to a depth of ${maxDepth} and refused beyond`, () => {
      assert.equal(decodeAll(thrift, 'request', nested(form, maxDepth)).length, 1)
      assert.throws(() => decodeAll(thrift, 'request', nested(form, maxDepth + 1)), { code: 'PROTOCOL_MALFORMED' })
    })

    test(`${protocol}: a string, a list and a map that say they are too large are refused at once`, () => {
      const small = { ...defaultLimits, maxFrameBytes: 4096 }
      const starts: readonly ((to: Writer, size: number) => void)[] = [
        (to, size) => fieldStart(to, 15, () => to.writeListBegin(11, size)),
        (to, size) => fieldStart(to, 15, () => to.writeListBegin(4, size)),
        (to, size) => fieldStart(to, 13, () => to.writeMapBegin(11, 12, size)),
      ]
      for (const begin of starts) {
        for (const size of [5000, 0x7fffffff]) {
          const bytes = encode(form, { name: 'big', type: types.call, seqid: 1, fields: (to) => begin(to, size) })
          const push = () => pushCopy(thrift.decoder('request', small), bytes, new Collector())
          assert.throws(push, { code: 'PROTOCOL_FRAME_TOO_LARGE' })
        }
      }
    })
  }
})

test('frames with a length are not looked into: a body that is no struct passes', () => {
  for (const form of forms.filter((it) => it.transport === 'framed')) {
    const bytes = encode(form, { name: 'odd', type: types.call, seqid: 1 })
    const odd = Buffer.concat([bytes, Buffer.from('ffffff', 'hex')])
    odd.writeUInt32BE(odd.length - 4, 0)
    assert.equal(decodeAll(thrift, 'request', odd)[0]?.operation, 'odd')
  }
})

function fieldStart(to: Writer, type: number, begin: () => void): void {
  to.writeFieldBegin('', type, 1)
  begin()
}

/** A call whose argument struct holds a struct that holds a struct ..., so many in all. */
function nested(form: Form, depth: number): Buffer {
  return encode(form, {
    name: 'deep',
    type: types.call,
    seqid: 1,
    fields(to) {
      for (let level = 1; level < depth; level += 1) {
        to.writeFieldBegin('', 12, 1)
        to.writeStructBegin('')
      }
      for (let level = 1; level < depth; level += 1) {
        to.writeFieldStop()
        to.writeStructEnd()
      }
    },
  })
}
