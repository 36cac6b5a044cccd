import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { Collector, pushCopy } from '../../src/conformance/summary.ts'
import type { Frame, Side } from '../../src/contract.ts'
import { ByteBuffer } from '../../src/byte-sink.ts'
import { ProtocolError } from '../../src/errors.ts'
import { thrift } from '../../src/thrift/index.ts'

/** One entry a line: the side, and the bytes in hex. Lines that once broke something are added at the end. */
const corpus = readFileSync(new URL('corpus.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [side, hex] = line.split(' ') as [Side, string]
    return { side, bytes: Buffer.from(hex, 'hex') }
  })

const limits = { maxFrameBytes: 4096, maxAttributes: 20 }

describe('damaged frames', () => {
  test('the corpus itself is harmless', () => {
    assert.ok(corpus.length > 40)
    for (const { side, bytes } of corpus) outcome(side, [bytes])
  })

  test('mean the same however they are cut: the same frames, then the same error or none', () => {
    const change = fc.record({
      at: fc.nat(),
      value: fc.oneof(fc.constantFrom(0, 1, 0x0f, 0x7f, 0x80, 0x82, 0xff), fc.integer({ min: 0, max: 255 })),
      how: fc.constantFrom('set', 'insert', 'remove'),
    })
    const entries = fc.array(fc.nat({ max: corpus.length - 1 }), { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(
        entries,
        fc.array(change, { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 10 }),
        (chosen, changes, cuts) => {
          const side = corpus[chosen[0] ?? 0]?.side ?? 'request'
          let bytes = Buffer.concat(chosen.map((index) => corpus[index]?.bytes ?? Buffer.alloc(0)))
          for (const { at, value, how } of changes) {
            const place = at % (bytes.length + 1)
            const rest = bytes.subarray(how === 'insert' ? place : place + 1)
            const added = how === 'remove' ? [] : [value]
            bytes = Buffer.concat([bytes.subarray(0, place), Buffer.from(added), rest])
          }
          const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
          const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end))
          const single = Array.from(bytes, (_, index) => bytes.subarray(index, index + 1))
          const whole = outcome(side, [bytes])
          assert.deepEqual(outcome(side, pieces), whole)
          assert.deepEqual(outcome(side, single), whole)
        },
      ),
      { numRuns: 3000 },
    )
  })

  test('are rewritten to frames of the same operation, or refused', () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }))
    fc.assert(
      fc.property(
        fc.constantFrom(...corpus),
        fc.array(change, { maxLength: 4 }),
        fc.integer(),
        (entry, changes, id) => {
          const bytes = Buffer.from(entry.bytes)
          for (const [at, value] of changes) bytes[at % bytes.length] = value
          const set = [{ key: 'x-fuzz', value: 'é' }]
          harmless(() => {
            pushCopy(thrift.decoder(entry.side, limits), bytes, {
              onFrame(frame) {
                const out = new ByteBuffer(1)
                frame.write(out, 0, id, { set })
                const again = new Collector()
                pushCopy(thrift.decoder(entry.side, { ...limits, maxFrameBytes: 8192 }), out.view(), again)
                assert.equal(again.frames[0]?.operation, frame.operation())
                assert.equal(again.frames.length, 1)
                return true
              },
            })
          })
        },
      ),
      { numRuns: 3000 },
    )
  })
})

/** What came out: operations, kinds, ids and lengths, and the code of the error. */
function outcome(side: Side, pieces: readonly Buffer[]) {
  const frames: string[] = []
  const onFrame = (frame: Frame) => {
    frames.push(`${frame.kind} ${frame.idLow} ${frame.tag} ${frame.length} ${frame.status} ${frame.operation()}`)
    return true
  }
  const decoder = thrift.decoder(side, limits)
  const error = harmless(() => {
    for (const piece of pieces) pushCopy(decoder, piece, { onFrame })
  })
  assert.ok(decoder.buffered <= limits.maxFrameBytes + 4096)
  return { frames, error }
}

/** Code of the ProtocolError that `act` throws; any other error is a bug. */
function harmless(act: () => void): string | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
}
