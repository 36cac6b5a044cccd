import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { ByteBuffer } from '../byte-sink.ts'
import type { LocalErrorType, ReplyTo, Side } from '../contract.ts'
import { defaultLimits } from '../contract.ts'
import { ProtocolError } from '../errors.ts'
import type { ConformanceSubject, Sample } from './kit.ts'
import { Collector, decodeAll, pushCopy, summarise, withFrame } from './summary.ts'

const errorTypes: readonly LocalErrorType[] = [
  'route-not-found',
  'cluster-not-found',
  'no-healthy-upstream',
  'connection-failure',
  'upstream-reset',
  'bad-response',
  'timeout',
  'over-limit',
  'overflow',
  'denied',
  'fault',
  'unspecified',
]

const sides: readonly Side[] = ['request', 'response']

/** Registers the conformance tests of a protocol with node:test. */
export function describeConformance(subject: ConformanceSubject): void {
  describe(`${subject.protocol.name} conforms to the codec contract`, () => {
    samplesMeanWhatTheySay(subject)
    chunkingDoesNotMatter(subject)
    writingRoundTrips(subject)
    limitsHold(subject)
    hostileBytesAreHarmless(subject)
    repliesAreReadable(subject)
  })
}

function samplesMeanWhatTheySay({ protocol, samples }: ConformanceSubject): void {
  test('there are samples of both sides', () => {
    assert.ok(samples.some((sample) => sample.side === 'request'))
    assert.ok(samples.some((sample) => sample.side === 'response'))
  })
  test('documented attributes have lower-case names, a description and an example', () => {
    for (const doc of protocol.attributes) {
      assert.equal(doc.name, doc.name.toLowerCase())
      assert.ok(doc.description !== '' && doc.example !== '', doc.name)
    }
  })
  for (const sample of samples) {
    test(`reads ${sample.name}`, () => {
      const frames = decodeAll(protocol, sample.side, sample.bytes)
      assert.equal(frames.length, 1)
      const frame = frames[0]
      assert.ok(frame)
      assert.equal(frame.kind, sample.kind)
      assert.equal(frame.status, sample.status ?? 'ok')
      assert.equal(frame.length, sample.bytes.length)
      if (sample.id !== undefined)
        assert.deepEqual(
          [frame.idHigh | 0, frame.idLow | 0],
          sample.id.map((half) => half | 0),
        )
      if (sample.operation !== undefined) assert.equal(frame.operation, sample.operation)
      const expected = Object.entries(sample.attributes ?? {})
      const read = withFrame(protocol, sample.side, sample.bytes, (it) =>
        expected.map(([key]) => [key, it.attribute(key)]),
      )
      assert.deepEqual(read, expected)
    })
  }
}

function chunkingDoesNotMatter({ protocol, samples }: ConformanceSubject): void {
  for (const side of sides) {
    const ofSide = samples.filter((sample) => sample.side === side)
    if (ofSide.length === 0) continue
    const stream = fc.array(fc.constantFrom(...ofSide), { minLength: 1, maxLength: 6 })

    test(`any chunking of ${side}s gives the same frames`, () => {
      fc.assert(
        fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (frames, cuts) => {
          const bytes = concat(frames)
          const collector = new Collector()
          const decoder = protocol.decoder(side, defaultLimits)
          for (const chunk of cut(bytes, cuts)) pushCopy(decoder, chunk, collector)
          assert.deepEqual(
            collector.frames,
            frames.flatMap((sample) => decodeAll(protocol, side, sample.bytes)),
          )
          assert.equal(decoder.buffered, 0)
        }),
        { numRuns: 100 },
      )
    })

    test(`${side}s byte by byte give the same frames`, () => {
      const bytes = concat(ofSide)
      const collector = new Collector()
      const decoder = protocol.decoder(side, defaultLimits)
      for (let at = 0; at < bytes.length; at += 1) pushCopy(decoder, bytes.subarray(at, at + 1), collector)
      assert.deepEqual(
        collector.frames,
        ofSide.flatMap((sample) => decodeAll(protocol, side, sample.bytes)),
      )
    })

    test(`a paused decoder of ${side}s loses nothing and delivers nothing until it is resumed`, () => {
      fc.assert(
        fc.property(
          stream,
          fc.array(fc.nat(), { maxLength: 6 }),
          fc.integer({ min: 1, max: 3 }),
          (frames, cuts, every) => {
            let paused = false
            const collector = new Collector((count) => (paused = count % every === 0))
            const decoder = protocol.decoder(side, defaultLimits)
            for (const chunk of cut(concat(frames), cuts)) {
              const before = collector.frames.length
              const wasPaused = paused
              pushCopy(decoder, chunk, collector)
              if (wasPaused) assert.equal(collector.frames.length, before)
            }
            for (let turns = 0; paused && turns <= frames.length; turns += 1) {
              paused = false
              decoder.resume(collector)
            }
            assert.deepEqual(
              collector.frames,
              frames.flatMap((sample) => decodeAll(protocol, side, sample.bytes)),
            )
            assert.equal(decoder.buffered, 0)
          },
        ),
        { numRuns: 100 },
      )
    })
  }
}

function writingRoundTrips({ protocol, samples, ids = true }: ConformanceSubject): void {
  const set = [
    { key: 'x-conformance', value: 'grün 😀' },
    { key: 'x-empty', value: '' },
  ]
  for (const sample of samples) {
    test(`writes ${sample.name} unchanged when nothing is to change`, () => {
      const sink = new ByteBuffer(1)
      sink.reserve(2)
      sink.bytes.write('hi', 'latin1')
      sink.commit(2)
      withFrame(protocol, sample.side, sample.bytes, (frame) => {
        frame.write(sink, frame.idHigh, frame.idLow, undefined)
        return true
      })
      assert.equal(sink.view().toString('hex'), `6869${Buffer.from(sample.bytes).toString('hex')}`)
    })
    if (ids) {
      test(`writes ${sample.name} with another id`, () => {
        const [before] = decodeAll(protocol, sample.side, sample.bytes)
        const rewritten = rewrite(sample, (frame, sink) => frame.write(sink, 0, 0x01020304, undefined))
        const [after] = decodeAll(protocol, sample.side, rewritten)
        assert.ok(before && after)
        assert.deepEqual({ ...after, written: '' }, { ...before, idHigh: 0, idLow: 0x01020304, written: '' })
      })
    }
    test(`${sample.mutable === true ? 'sets' : 'leaves'} attributes of ${sample.name} when a mutation says so`, () => {
      const [before] = decodeAll(protocol, sample.side, sample.bytes)
      const rewritten = rewrite(sample, (frame, sink) => frame.write(sink, frame.idHigh, frame.idLow, { set }))
      const [after, ...more] = decodeAll(protocol, sample.side, rewritten)
      assert.ok(before && after)
      assert.equal(more.length, 0)
      assert.equal(after.length, rewritten.length)
      if (sample.mutable === true) {
        const attributes = { ...before.attributes, 'x-conformance': 'grün 😀', 'x-empty': '' }
        assert.deepEqual({ ...after, length: 0, written: '' }, { ...before, attributes, length: 0, written: '' })
        const again = withFrame(protocol, sample.side, rewritten, (frame) => {
          const sink = new ByteBuffer(1)
          frame.write(sink, frame.idHigh, frame.idLow, { set: [{ key: 'x-conformance', value: 'b' }] })
          return Buffer.from(sink.view())
        })
        assert.equal(decodeAll(protocol, sample.side, again)[0]?.attributes['x-conformance'], 'b')
      } else {
        assert.deepEqual(after, before)
      }
    })
  }

  function rewrite(sample: Sample, write: (frame: Parameters<typeof summarise>[0], sink: ByteBuffer) => void): Buffer {
    return withFrame(protocol, sample.side, sample.bytes, (frame) => {
      const sink = new ByteBuffer(1)
      write(frame, sink)
      return Buffer.from(sink.view())
    })
  }
}

function limitsHold({ protocol, samples, headerBytes }: ConformanceSubject): void {
  for (const sample of samples) {
    test(`refuses ${sample.name} when it is larger than the limit, not when it is as large`, () => {
      const collector = new Collector()
      const exact = { ...defaultLimits, maxFrameBytes: sample.bytes.length }
      pushCopy(protocol.decoder(sample.side, exact), sample.bytes, collector)
      assert.equal(collector.frames.length, 1)
      const smaller = { ...defaultLimits, maxFrameBytes: sample.bytes.length - 1 }
      const decoder = protocol.decoder(sample.side, smaller)
      const bytes = headerBytes === undefined ? sample.bytes : sample.bytes.subarray(0, headerBytes)
      assert.throws(() => pushCopy(decoder, bytes, collector), { code: 'PROTOCOL_FRAME_TOO_LARGE' })
    })
  }
}

function hostileBytesAreHarmless({ protocol, samples }: ConformanceSubject): void {
  test('random bytes give frames or a ProtocolError, never anything else', () => {
    fc.assert(
      fc.property(fc.constantFrom(...sides), fc.uint8Array({ maxLength: 200 }), (side, bytes) => {
        feed(side, bytes)
      }),
      { numRuns: 500 },
    )
  })
  test('damaged frames give frames or a ProtocolError, never anything else', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(fc.constantFrom(...samples), damage, fc.boolean(), fc.nat(), (sample, changes, truncate, length) => {
        const bytes = Uint8Array.from(sample.bytes)
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        feed(sample.side, truncate ? bytes.subarray(0, length % bytes.length) : bytes)
      }),
      { numRuns: 2000 },
    )
  })

  function feed(side: Side, bytes: Uint8Array): void {
    try {
      pushCopy(protocol.decoder(side, defaultLimits), bytes, new Collector())
    } catch (error) {
      assert.ok(error instanceof ProtocolError, `${String(error)} on ${Buffer.from(bytes).toString('hex')}`)
    }
  }
}

function repliesAreReadable({ protocol, samples, readError, ids = true }: ConformanceSubject): void {
  const requests = samples.filter((sample) => sample.side === 'request' && sample.kind === 'request')
  for (const sample of requests) {
    test(`answers ${sample.name} with errors that a client understands`, () => {
      const to = replyTo(sample)
      for (const type of errorTypes) {
        for (const message of ['no route matched', `überlang ${'ä😀'.repeat(700)}`]) {
          const sink = new ByteBuffer(1)
          protocol.writeError(sink, to, { type, message })
          const read = readError(Buffer.from(sink.view()), to)
          assert.ok(read.message.includes(message), `${type}: ${read.message}`)
          if (ids) assert.deepEqual([read.idHigh | 0, read.idLow | 0], [to.idHigh | 0, to.idLow | 0])
          const [frame, ...more] = decodeAll(protocol, 'response', sink.view())
          assert.equal(more.length, 0)
          assert.equal(frame?.kind, 'response')
          assert.equal(frame?.status, 'error')
        }
      }
    })
  }
  for (const sample of samples.filter((it) => it.kind === 'heartbeat')) {
    test(`answers ${sample.name}`, () => {
      const to = replyTo(sample)
      const sink = new ByteBuffer(1)
      protocol.writeHeartbeatReply(sink, to)
      const [frame] = decodeAll(protocol, sample.side === 'request' ? 'response' : 'request', sink.view())
      assert.equal(frame?.kind, 'heartbeat-reply')
      if (ids) assert.deepEqual([frame.idHigh, frame.idLow], [to.idHigh, to.idLow])
    })
  }
  test('its own heartbeat, where it has one, is a heartbeat', () => {
    if (protocol.writeHeartbeat === undefined) return
    const sink = new ByteBuffer(1)
    protocol.writeHeartbeat(sink, 77)
    const [frame] = decodeAll(protocol, 'request', sink.view())
    assert.equal(frame?.kind, 'heartbeat')
    if (ids) assert.equal(frame.idLow, 77)
  })

  function replyTo(sample: Sample): ReplyTo {
    return withFrame(protocol, sample.side, sample.bytes, (frame) => ({
      idHigh: frame.idHigh,
      idLow: frame.idLow,
      tag: frame.tag,
      operation: frame.operation(),
    }))
  }
}

function concat(samples: readonly Sample[]): Uint8Array {
  return Buffer.concat(samples.map((sample) => sample.bytes))
}

/** Cuts at these places (modulo the length), empty chunks included. */
function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end))
}
