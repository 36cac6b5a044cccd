import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ByteBuffer } from '../../src/byte-sink.ts'
import { decodeAll, pushCopy, withFrame, Collector } from '../../src/conformance/summary.ts'
import type { Frame, KeyValue, LocalErrorType, Side } from '../../src/contract.ts'
import { defaultLimits } from '../../src/contract.ts'
import { thrift } from '../../src/thrift/index.ts'
import type { Form, Message, Writer } from './messages.ts'
import { encode, forms, readException, types, withZlib } from './messages.ts'

const header = { transport: 'header', protocol: 'binary' } as const

describe('ids', () => {
  for (const form of forms) {
    test(`${label(form)}: every id is read and written, whatever its length`, () => {
      const ids = [0, 1, 127, 128, 16383, 16384, 2 ** 21, 2 ** 28, 0x7fffffff, -1, -(2 ** 31)]
      for (const from of ids) {
        const bytes = encode(form, { name: 'sayHello', type: types.call, seqid: from, fields: string })
        assert.equal(decodeAll(thrift, 'request', bytes)[0]?.idLow, from)
        for (const to of ids) {
          const rewritten = write(bytes, 'request', (frame, out) => frame.write(out, 0, to, undefined))
          const expected = encode(form, {
            name: 'sayHello',
            type: types.call,
            seqid: to,
            // Where Apache's clients leave it 0 it stays 0, unless that is the message's own id as well.
            headerSeqid: from === 0 ? to : 0,
            fields: string,
          })
          assert.equal(rewritten.toString('hex'), expected.toString('hex'))
        }
      }
    })
  }

  test('a header frame whose message has no id goes by the number of its header, as fbthrift does it', () => {
    const bytes = encode(header, { name: 'f', type: types.call, seqid: 0, headerSeqid: 77 })
    assert.equal(decodeAll(thrift, 'request', bytes)[0]?.idLow, 77)
    const rewritten = write(bytes, 'request', (frame, out) => frame.write(out, 0, 5, undefined))
    assert.deepEqual(rewritten, encode(header, { name: 'f', type: types.call, seqid: 0, headerSeqid: 5 }))
  })

  test('both numbers are rewritten where they are the same', () => {
    const bytes = encode(header, { name: 'f', type: types.call, seqid: 9, headerSeqid: 9 })
    const rewritten = write(bytes, 'request', (frame, out) => frame.write(out, 0, 10, undefined))
    assert.deepEqual(rewritten, encode(header, { name: 'f', type: types.call, seqid: 10, headerSeqid: 10 }))
  })
})

describe('names', () => {
  test('an operation is the same string object each time', () => {
    for (const form of forms) {
      const bytes = encode(form, { name: 'Greeter:sayHello', type: types.call, seqid: 1 })
      const decoder = thrift.decoder('request', defaultLimits)
      const seen = new Set<string>()
      decoder.push(Buffer.concat([bytes, bytes]), {
        onFrame(frame) {
          seen.add(frame.operation()).add(frame.attribute('service') ?? '')
          return true
        },
      })
      assert.deepEqual([...seen], ['Greeter:sayHello', 'Greeter'])
    }
  })

  test('an error reply names the method without the service, as a multiplexed server does', () => {
    for (const form of forms) {
      const reply = errorReply(form, { name: 'Greeter:sayHello', type: types.call, seqid: 3 }, 'timeout')
      assert.deepEqual(readException(form, reply), { name: 'sayHello', seqid: 3, type: 6, message: 'why' })
    }
  })

  test('no route is an unknown method, a bad response a protocol error, all else an internal error', () => {
    const call = { name: 'f', type: types.call, seqid: 3 }
    const typeOf = (error: LocalErrorType) => readException(header, errorReply(header, call, error)).type
    assert.deepEqual(
      (['route-not-found', 'bad-response', 'no-healthy-upstream', 'over-limit', 'unspecified'] as const).map(typeOf),
      [1, 7, 6, 6, 6],
    )
  })
})

describe('info headers', () => {
  test('are found without case, the last one wins, and the message’s own beat those of the connection', () => {
    const bytes = headerFrame('0000', '01 02 01 61 01 31 01 41 01 32', '02 02 01 61 01 33 01 62 01 34')
    assert.deepEqual(attributes(bytes, 'a', 'b', 'c'), ['2', '4', undefined])
    assert.deepEqual(decodeAll(thrift, 'request', bytes)[0]?.attributes, { a: '2', b: '4', method: 'f' })
    const swapped = headerFrame('0000', '02 02 01 61 01 33 01 62 01 34', '01 01 01 61 01 31')
    assert.deepEqual(attributes(swapped, 'a', 'b'), ['1', '4'])
  })

  test('named method or service do not hide the message’s', () => {
    const headers = { method: 'other', Service: 'other' }
    const plain = encode(header, { name: 'f', type: types.call, seqid: 1, headers })
    assert.deepEqual(attributes(plain, 'method', 'service'), ['f', undefined])
    assert.deepEqual(decodeAll(thrift, 'request', plain)[0]?.attributes, { method: 'f' })
  })

  test('are parsed up to the limit', () => {
    const headers = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`k${index}`, `v${index}`]))
    const bytes = encode(header, { name: 'f', type: types.call, seqid: 1, headers })
    const seen: (string | undefined)[] = []
    thrift.decoder('request', { ...defaultLimits, maxAttributes: 3 }).push(bytes, {
      onFrame(frame) {
        seen.push(frame.attribute('k2'), frame.attribute('k3'), String(frame.allAttributes().size))
        return true
      },
    })
    assert.deepEqual(seen, ['v2', undefined, '4'])
  })

  test('a mutation replaces, adds, and leaves everything else as it was, unknown infos too', () => {
    const bytes = headerFrame(
      '0000',
      '01 02 01 61 01 31 01 62 02 ff fe',
      '02 02 01 41 01 33 01 63 01 34',
      '07 aa bb cc dd',
    )
    const set = [
      { key: 'A', value: 'new' },
      { key: 'x', value: '' },
    ]
    const mutated = mutate(bytes, set)
    const expected = headerFrame(
      '0000',
      '01 03 01 62 02 ff fe 01 41 03 6e 65 77 01 78 00',
      '02 01 01 63 01 34',
      '07 aa bb cc dd',
    )
    assert.equal(mutated.toString('hex'), expected.toString('hex'))
    assert.deepEqual(attributes(mutated, 'a', 'x', 'c'), ['new', '', '4'])
  })

  test('a mutation and an id are written at once', () => {
    const bytes = encode(header, { name: 'f', type: types.call, seqid: 1, headers: { a: '1' } })
    const rewritten = write(bytes, 'request', (frame, out) =>
      frame.write(out, 0, 2, { set: [{ key: 'a', value: '2' }] }),
    )
    assert.deepEqual(rewritten, encode(header, { name: 'f', type: types.call, seqid: 2, headers: { a: '2' } }))
  })

  test('a mutation that makes the header longer than it can be is refused, with nothing written', () => {
    const bytes = encode(header, { name: 'f', type: types.call, seqid: 1 })
    const out = new ByteBuffer(16)
    const set = [{ key: 'a', value: 'x'.repeat(4 * 0xffff) }]
    const attempt = () =>
      withFrame(thrift, 'request', bytes, (frame) => {
        frame.write(out, 0, 1, { set })
        return true
      })
    assert.throws(attempt, { code: 'PROTOCOL_FRAME_TOO_LARGE' })
    assert.equal(out.length, 0)
  })

  test('broken ones are an error of whoever reads them, and pass where nobody does', () => {
    const bytes = headerFrame('0000', '01 05 01 61 7f')
    assert.throws(() => attributes(bytes, 'a'), { code: 'PROTOCOL_MALFORMED' })
    assert.throws(() => mutate(bytes, [{ key: 'a', value: '' }]), { code: 'PROTOCOL_MALFORMED' })
    const untouched = write(bytes, 'request', (frame, out) => {
      assert.equal(frame.attribute('method'), 'f')
      frame.write(out, 0, frame.idLow, undefined)
    })
    assert.deepEqual(untouched, bytes)
  })
})

describe('hostile bytes', () => {
  const refusals: readonly [what: string, hex: string, code: string][] = [
    ['a length of 2 GiB', '7fffffff', 'PROTOCOL_FRAME_TOO_LARGE'],
    ['a negative length', 'ffffffff', 'PROTOCOL_FRAME_TOO_LARGE'],
    ['a length one above the limit', '00fffffd', 'PROTOCOL_FRAME_TOO_LARGE'],
    ['an empty frame', '00000000', 'PROTOCOL_MALFORMED'],
    ['HTTP', Buffer.from('POST / HTTP/1.1\r\n').toString('hex'), 'PROTOCOL_UNSUPPORTED'],
    ['JSON', Buffer.from('[1,"sayHello",1,1,{}]').toString('hex'), 'PROTOCOL_UNSUPPORTED'],
    ['framed JSON', '00000020 5b312c', 'PROTOCOL_UNSUPPORTED'],
    ['something else in a frame', '00000020 fefefefe', 'PROTOCOL_BAD_MAGIC'],
    ['a frame that ends within its message', '00000006 80010001 0000', 'PROTOCOL_MALFORMED'],
    ['message type 9', '80010009 00000001 66 00000001 00', 'PROTOCOL_MALFORMED'],
    ['a name of 2 GiB', '80010001 7fffffff', 'PROTOCOL_FRAME_TOO_LARGE'],
    ['a name of a negative length', '80010001 80000000', 'PROTOCOL_MALFORMED'],
    ['a compact name of 2 GiB', '8221 01 ffffffff07', 'PROTOCOL_FRAME_TOO_LARGE'],
    ['a compact number without an end', `8221 ${'ff'.repeat(10)}`, 'PROTOCOL_MALFORMED'],
    ['a value of no type', '80010001 00000001 66 00000001 1100010000', 'PROTOCOL_MALFORMED'],
    ['a compact value of no type', '8221 01 01 66 1f', 'PROTOCOL_MALFORMED'],
    ['a header longer than its frame', '0000000e 0fff0000 00000001 ffff 00000000', 'PROTOCOL_MALFORMED'],
    ['a header frame without a message', '0000000e 0fff0000 00000001 0001 00000000', 'PROTOCOL_MALFORMED'],
    ['JSON in a header frame', '00000010 0fff0000 00000001 0001 01000000 5b31', 'PROTOCOL_UNSUPPORTED'],
    ['snappy in a header frame', '00000010 0fff0000 00000001 0001 00010300 5b31', 'PROTOCOL_UNSUPPORTED'],
    ['no zlib where it should be', '00000010 0fff0000 00000001 0001 00010100 5b31', 'PROTOCOL_MALFORMED'],
    ['a reply from a client', '80010002 00000001 66 00000001 00', 'PROTOCOL_MALFORMED'],
  ]
  for (const [what, hex, code] of refusals) {
    test(`${what} is ${code}`, () => {
      const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
      assert.throws(() => pushCopy(thrift.decoder('request', defaultLimits), bytes, new Collector()), { code })
    })
  }

  test('a call from a server is malformed', () => {
    const bytes = Buffer.from('8001000100000001660000000100', 'hex')
    assert.throws(() => decodeAll(thrift, 'response', bytes), { code: 'PROTOCOL_MALFORMED' })
  })

  test('a zlib bomb is read as far as its head; rewriting its id is refused', () => {
    const plain = encode(header, {
      name: 'f',
      type: types.call,
      seqid: 1,
      fields(to) {
        to.writeFieldBegin('', 11, 1)
        to.writeString('a'.repeat(20 * 1024 * 1024))
        to.writeFieldEnd()
      },
    })
    const bomb = withZlib(plain)
    assert.deepEqual(attributes(bomb, 'method'), ['f'])
    const rewrite = () => write(bomb, 'request', (frame, out) => frame.write(out, 0, 2, undefined))
    assert.throws(rewrite, { code: 'PROTOCOL_FRAME_TOO_LARGE' })
  })

  test('a name longer than what is inflated at first is read in full', () => {
    const name = Array.from({ length: 8000 }, (_, index) => index.toString(36)).join('')
    const bytes = withZlib(encode(header, { name, type: types.call, seqid: 1 }))
    assert.deepEqual(attributes(bytes, 'method'), [name])
  })
})

test('transports take turns on one connection', () => {
  const bytes = Buffer.concat(forms.map((form) => encode(form, { name: label(form), type: types.call, seqid: 1 })))
  // Names of the old binary protocol without a frame have to begin as identifiers do; these do.
  assert.deepEqual(
    decodeAll(thrift, 'request', bytes).map((frame) => frame.operation),
    forms.map(label),
  )
})

function label(form: Form): string {
  return `${form.transport} ${form.protocol}`
}

function string(to: Writer): void {
  to.writeFieldBegin('', 11, 1)
  to.writeString('x')
  to.writeFieldEnd()
}

function attributes(bytes: Buffer, ...names: readonly string[]): (string | undefined)[] {
  return withFrame(thrift, 'request', bytes, (frame) => names.map((it) => frame.attribute(it)))
}

function mutate(bytes: Buffer, set: readonly KeyValue[]): Buffer {
  return write(bytes, 'request', (frame, out) => frame.write(out, frame.idHigh, frame.idLow, { set }))
}

function write(bytes: Buffer, side: Side, how: (frame: Frame, out: ByteBuffer) => void): Buffer {
  return withFrame(thrift, side, bytes, (frame) => {
    const out = new ByteBuffer(16)
    how(frame, out)
    return Buffer.from(out.view())
  })
}

function errorReply(form: Form, call: Message, type: LocalErrorType): Buffer {
  return withFrame(thrift, 'request', encode(form, call), (frame) => {
    const out = new ByteBuffer(16)
    const to = { idHigh: frame.idHigh, idLow: frame.idLow, tag: frame.tag, operation: frame.operation() }
    thrift.writeError(out, to, { type, message: 'why' })
    return Buffer.from(out.view())
  })
}

/** A header frame with this section (hex parts, padded) around a call of `f`. */
function headerFrame(...parts: readonly string[]): Buffer {
  const section = Buffer.from(parts.join('').replaceAll(' ', ''), 'hex')
  const padded = Buffer.concat([section], (section.length + 3) & ~3)
  const payload = encode({ transport: 'unframed', protocol: 'binary' }, { name: 'f', type: types.call, seqid: 1 })
  const frame = Buffer.concat([Buffer.alloc(14), padded, payload])
  frame.writeUInt32BE(frame.length - 4, 0)
  frame.writeUInt16BE(0x0fff, 4)
  frame.writeUInt16BE(padded.length / 4, 12)
  return frame
}
