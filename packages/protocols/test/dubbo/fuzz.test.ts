/**
 * Damaged frames, from the recorded ones in golden/ as corpus. Boxed by count, seeded by fast-check: a failure prints the
 * seed and the smallest counterexample.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { ByteBuffer } from '../../src/byte-sink.ts'
import { defaultLimits, type Frame } from '../../src/contract.ts'
import { dubbo } from '../../src/dubbo/index.ts'
import { ProtocolError } from '../../src/errors.ts'
import { frameOf } from './frames.ts'
import { golden } from './golden.ts'

type Edit = (body: Buffer) => Buffer

const place = fc.nat()
const edits = fc.array(
  fc.oneof(
    fc.tuple(place, fc.nat({ max: 255 })).map(([at, value]): Edit => (body) => {
      body[at % Math.max(body.length, 1)] = value
      return body
    }),
    fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 5 })).map(
      ([at, added]): Edit =>
        (body) =>
          Buffer.concat([body.subarray(0, at % (body.length + 1)), added, body.subarray(at % (body.length + 1))]),
    ),
    fc.tuple(place, fc.integer({ min: 1, max: 20 })).map(
      ([at, count]): Edit =>
        (body) =>
          Buffer.concat([body.subarray(0, at % (body.length + 1)), body.subarray((at % (body.length + 1)) + count)]),
    ),
    fc.tuple(place, place, fc.integer({ min: 1, max: 60 })).map(([from, to, count]): Edit => (body) => {
      const start = from % (body.length + 1)
      const piece = Buffer.from(body.subarray(start, start + count))
      const at = to % (body.length + 1)
      return Buffer.concat([body.subarray(0, at), piece, body.subarray(at)])
    }),
  ),
  { minLength: 1, maxLength: 4 },
)

const corpus = readdirSync(join(dirname(fileURLToPath(import.meta.url)), 'golden')).map((file) =>
  file.replace('.bin', ''),
)

describe('damaged frames of Apache Dubbo', () => {
  for (const name of corpus) {
    const bytes = golden(name)
    test(`${name}: read and rewritten consistently, or refused`, () => {
      fc.assert(
        fc.property(edits, (changes) => {
          let body = Buffer.from(bytes.subarray(16))
          for (const change of changes) body = Buffer.from(change(body))
          const side = name.endsWith('-response') ? 'response' : 'request'
          const damaged = frameOf(bytes[2] ?? 0, bytes[3] ?? 0, [0, 1], body)
          let rewritten: Buffer | undefined
          try {
            dubbo.decoder(side, defaultLimits).push(
              damaged,
              receiver((frame) => {
                const attributes = frame.allAttributes()
                frame.operation()
                assert.ok(['ok', 'exception'].includes(frame.status))
                const out = new ByteBuffer(1)
                frame.write(out, 0, 2, { set: [{ key: 'x-fuzz', value: 'ü' }] })
                // A frame that can't carry the mutation stays as it is.
                if (!out.view().subarray(16).equals(body)) rewritten = Buffer.from(out.view())
                for (const key of attributes.keys()) frame.attribute(key.toLowerCase())
              }),
            )
          } catch (error) {
            assert.ok(error instanceof ProtocolError, `${String(error)} on ${damaged.toString('hex')}`)
          }
          if (rewritten === undefined) return
          const seen: (string | undefined)[] = []
          dubbo.decoder(side, defaultLimits).push(
            rewritten,
            receiver((frame) => {
              seen.push(frame.attribute('x-fuzz'), frame.status)
            }),
          )
          assert.equal(seen[0], 'ü')
        }),
        { numRuns: bytes.length > 10_000 ? 60 : 250 },
      )
    })
  }
})

function receiver(read: (frame: Frame) => void): { onFrame(frame: Frame): boolean } {
  return {
    onFrame(frame) {
      read(frame)
      return true
    },
  }
}
