import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { DecoderV2, EncoderV2 } from 'hessian.js'
import { Hessian2Scanner, maxDepth } from '../../src/dubbo/hessian2/scanner.ts'
import { stringBound, writeString } from '../../src/dubbo/hessian2/write.ts'
import { ProtocolError } from '../../src/errors.ts'
import { hessian } from './frames.ts'
import { golden } from './golden.ts'

/** Any value that hessian.js can write, with classes, typed lists, dates, binary data and longs. */
const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom(null, true, false, 0, -17, 2048, 262_144, -0x80000000, 0x7fffffff, 0.5, 1e300, -32_768.0),
    fc.integer(),
    fc.double({ noNaN: true }),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ minLength: 1020, maxLength: 1030 }),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom(Buffer.alloc(1023), Buffer.alloc(1024), Buffer.alloc(10_000)),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((long) => ({ $class: 'long', $: String(long) })),
    fc.array(tie('value'), { maxLength: 10 }),
    fc.dictionary(fc.string({ maxLength: 10 }), tie('value'), { maxKeys: 6 }),
    fc.record({
      $class: fc.constantFrom('a.B', 'a.C', 'long.name.D'),
      $: fc.record({ x: tie('value'), y: tie('value') }),
    }),
    fc.record({ $class: fc.constantFrom('[int', 'java.util.Set'), $: fc.array(fc.integer(), { maxLength: 10 }) }),
  ),
}))

describe('the Hessian2 scanner', () => {
  test('skips exactly what hessian.js writes', () => {
    fc.assert(
      fc.property(fc.array(anyValue, { maxLength: 4 }), (values) => {
        const bytes = hessian(...values, 'the end')
        const scanner = scan(bytes)
        scanner.skipValues(values.length)
        assert.equal(scanner.readString(), 'the end')
        assert.ok(scanner.atEnd)
      }),
      { numRuns: 500 },
    )
  })

  test('skips values that refer to each other', () => {
    const self: { list: unknown[]; again?: unknown } = { list: [1, [2]] }
    self.again = self
    self.list.push(self, self.list[1])
    const encoder = new EncoderV2()
    for (const value of [self, self.list, self, 'the end']) encoder.write(value)
    const scanner = scan(encoder.get())
    scanner.skipValues(3)
    assert.equal(scanner.readString(), 'the end')
  })

  test('reads strings as hessian.js writes them', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (text) => {
        const scanner = scan(hessian(text))
        assert.equal(scanner.readString(), text)
        assert.ok(scanner.atEnd)
      }),
    )
  })

  test('writes strings that hessian.js and it read back', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 2000 }),
      fc.constantFrom(
        'x'.repeat(31),
        'x'.repeat(1023),
        'x'.repeat(0x8000),
        'ä'.repeat(0x8001),
        `x${'😀'.repeat(40_000)}`,
      ),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = Buffer.alloc(stringBound(text))
        const end = writeString(bytes, 0, text)
        assert.ok(end <= bytes.length)
        assert.equal(scan(bytes.subarray(0, end)).readString(), text)
        assert.equal(new DecoderV2(bytes.subarray(0, end)).read(), text)
      }),
      { numRuns: 50 },
    )
  })

  test('reads a surrogate pair in four bytes of UTF-8 as two units', () => {
    assert.equal(scan(hex('04 61 f09f9880 62')).readString(), 'a😀b')
  })

  test('joins the chunks of a string', () => {
    assert.equal(scan(hex('52 0001 61 52 0000 01 62')).readString(), 'ab')
    assert.equal(scan(hex('52 0001 c3a4 53 0001 62')).readString(), 'äb')
  })

  // What hessian.js never writes; from the specification's examples.
  const forms: Readonly<Record<string, string>> = {
    'an int of two bytes': 'c7 00',
    'an int of three bytes': 'd4 00 00',
    'a long of three bytes': '38 00 00',
    'a long of 32 bits': '59 00 00 00 01',
    'a double of a byte': '5d 80',
    'a double of two bytes': '5e 80 00',
    'a double of thousandths': '5f 00 00 2f da',
    'a date in minutes': '4b 00 e3 83 8f',
    'binary data in chunks': '41 0002 0102 41 0000 21 ff',
    'binary data of two length bytes': '34 03 010203',
    'a list of a type until its end': '55 04 5b696e74 90 91 5a',
    'a list of a known type and length': '56 04 5b696e74 92 90 91',
    'a list until its end': '57 90 91 5a',
    'a list of a length': '58 92 90 91',
    'a short list of a type': '72 04 5b696e74 90 91',
    'a short list of a type seen before': '72 90 90 91',
    'a short list': '7a 90 91',
    'a typed map': '4d 03 612e42 90 91 5a',
    'a map of a type seen before': '4d 90 90 91 5a',
    'a map of a map': '48 01 61 48 01 62 48 5a 5a 5a',
    'a definition and two objects': '7a 43 01 41 92 01 78 01 79 60 90 91 60 92 93',
    'an object by a long reference': '7a 43 01 41 91 01 78 60 90 4f 90 4e',
    'an object without fields': '7a 43 01 41 90 60 60',
    'a reference': '51 90',
    'a long reference': '51 c8 20',
  }
  for (const [name, form] of Object.entries(forms)) {
    test(`skips ${name}, and refuses it cut short`, () => {
      const bytes = hex(form)
      const scanner = scan(Buffer.concat([bytes, hex('54')]), bytes.length + 1)
      scanner.skipValues(1)
      assert.equal(scanner.at, bytes.length)
      for (let length = 0; length < bytes.length; length += 1) {
        assert.throws(() => scan(bytes, length).skipValues(1), ProtocolError)
      }
    })
  }

  const broken: Readonly<Record<string, string>> = {
    'an unknown tag': '47',
    'the end of nothing': '5a',
    'a map that ends before a value': '48 90 5a',
    'an object of no class': '60 90',
    'an object of a negative class': '4f 80 90',
    'a class with a negative number of fields': '43 01 41 80 60',
    'a list of negative length': '58 80',
    'a type that is none': '4d 54 5a',
    'a reference to no number': '51 01 61',
    'a string that is not UTF-8': '01 80',
    'a string that ends within a character': '01 f09f9880',
    'a chunk followed by something else': '52 0001 61 90',
    'binary data followed by something else': '41 0001 61 90',
  }
  for (const [name, form] of Object.entries(broken)) {
    test(`refuses ${name}`, () => {
      assert.throws(() => scan(hex(form)).skipValues(1), { code: 'PROTOCOL_MALFORMED' })
    })
  }

  test('refuses a list of 2^31 - 1 elements that is not there, at once', () => {
    assert.throws(() => scan(hex('58 49 7fffffff 90 90')).skipValues(1), { code: 'PROTOCOL_MALFORMED' })
  })

  test('has a limit for nesting and no stack to overflow', () => {
    scan(nested(maxDepth)).skipValues(1)
    assert.throws(() => scan(nested(maxDepth + 1)).skipValues(1), { code: 'PROTOCOL_MALFORMED' })
    assert.throws(() => scan(nested(1_000_000)).skipValues(1), { code: 'PROTOCOL_MALFORMED' })
  })

  test('never fails but with a ProtocolError on damaged object graphs of Java', () => {
    const bytes = golden('hessian2-describe-request').subarray(16)
    const places = fc.array(fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 8,
    })
    fc.assert(
      fc.property(places, (changes) => {
        const damaged = Buffer.from(bytes)
        for (const [at, value] of changes) damaged[at] = value
        try {
          scan(damaged).skipValues(20)
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error))
        }
      }),
      { numRuns: 300 },
    )
  })
})

function scan(bytes: Buffer, end = bytes.length): Hessian2Scanner {
  const scanner = new Hessian2Scanner()
  scanner.reset(bytes, 0, end)
  return scanner
}

/** So many lists, one in the other. */
function nested(depth: number): Buffer {
  return Buffer.concat([Buffer.alloc(depth, 0x79), hex('4e')])
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}
