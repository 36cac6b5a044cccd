import type { Sample } from '../../src/conformance/kit.ts'
import type { Form, Writer } from './messages.ts'
import { encode, types, withZlib } from './messages.ts'

/** As long in compact as the ids that the conformance kit writes. */
const seqid = 0x0a0b0c0d

const headers = { 'x-user': 'grün', batchJob: 'true', Empty: '' }

/** The frames of one transport and protocol that the conformance kit is run with. */
export function samplesOf(form: Form): Sample[] {
  const inHeader = form.transport === 'header'
  const label = `${form.transport} ${form.protocol}`
  const id = [0, seqid] as const
  const extra = inHeader
    ? { 'x-user': 'grün', batchjob: 'true', empty: '', missing: undefined }
    : { batchjob: undefined }
  const mutable = inHeader
  const call = encode(form, { name: 'sayHello', type: types.call, seqid, headers, fields: everyType })
  const reply = encode(form, { name: 'sayHello', type: types.reply, seqid, fields: result(0) })
  const samples: Sample[] = [
    {
      name: `a ${label} call`,
      side: 'request',
      bytes: call,
      kind: 'request',
      id,
      operation: 'sayHello',
      attributes: { method: 'sayHello', service: undefined, ...extra },
      mutable,
    },
    {
      name: `a multiplexed ${label} call`,
      side: 'request',
      bytes: encode(form, { name: 'Greeter:sayHello', type: types.call, seqid, headers }),
      kind: 'request',
      id,
      operation: 'Greeter:sayHello',
      attributes: { method: 'sayHello', service: 'Greeter', ...extra },
      mutable,
    },
    {
      name: `a oneway ${label} call of a method with an umlaut and without headers`,
      side: 'request',
      bytes: encode(form, { name: 'grüße', type: types.oneway, seqid, fields: result(1) }),
      kind: 'oneway',
      id,
      operation: 'grüße',
      attributes: { method: 'grüße' },
      mutable,
    },
    { name: `a ${label} reply`, side: 'response', bytes: reply, kind: 'response', id, operation: 'sayHello', mutable },
    {
      name: `a void ${label} reply`,
      side: 'response',
      bytes: encode(form, { name: 'sayHello', type: types.reply, seqid, headers }),
      kind: 'response',
      id,
      attributes: extra,
      mutable,
    },
    {
      name: `a declared ${label} exception`,
      side: 'response',
      bytes: encode(form, { name: 'sayHello', type: types.reply, seqid, fields: result(3) }),
      kind: 'response',
      status: 'exception',
      id,
      mutable,
    },
    {
      name: `an undeclared ${label} exception`,
      side: 'response',
      bytes: encode(form, { name: 'sayHello', type: types.exception, seqid, fields: result(1) }),
      kind: 'response',
      status: 'error',
      id,
      mutable,
    },
  ]
  if (inHeader) {
    const zlib = { id, attributes: { method: 'sayHello', ...extra }, mutable }
    samples.push({
      name: `a ${label} call with zlib`,
      side: 'request',
      bytes: withZlib(call),
      kind: 'request',
      ...zlib,
    })
    const compressed = withZlib(reply)
    samples.push({
      name: `a ${label} reply with zlib`,
      side: 'response',
      bytes: compressed,
      kind: 'response',
      id,
      mutable,
    })
  }
  return samples
}

/** A struct with one string field of this number. */
function result(id: number): (to: Writer) => void {
  return (to) => {
    to.writeFieldBegin('success', 11, id)
    to.writeString('hällo')
    to.writeFieldEnd()
  }
}

/** Fields of all types, containers within containers, empty ones, and a number that jumps. */
function everyType(to: Writer): void {
  const field = (type: number, id: number, write: () => void) => {
    to.writeFieldBegin('', type, id)
    write()
    to.writeFieldEnd()
  }
  field(2, 1, () => to.writeBool(true))
  field(2, 2, () => to.writeBool(false))
  field(3, 3, () => to.writeByte(-1))
  field(6, 4, () => to.writeI16(-2))
  field(8, 5, () => to.writeI32(1 << 30))
  field(10, 6, () => to.writeI64(-(2 ** 52)))
  field(4, 7, () => to.writeDouble(0.1))
  field(11, 8, () => to.writeString('x'.repeat(300)))
  field(11, 9, () => to.writeString(''))
  field(12, 10, () => {
    to.writeStructBegin('')
    field(8, 1, () => to.writeI32(7))
    field(15, 2, () => list(to, 2, [true, false, true], (it) => to.writeBool(it)))
    to.writeFieldStop()
    to.writeStructEnd()
  })
  field(15, 500, () => list(to, 11, ['a', '', 'ccc'], (it) => to.writeString(it)))
  field(15, 501, () =>
    list(
      to,
      8,
      Array.from({ length: 40 }, (_, index) => index * 1000),
      (it) => to.writeI32(it),
    ),
  )
  field(15, 502, () => list(to, 12, [], () => undefined))
  field(14, 503, () => {
    to.writeSetBegin(4, 2)
    to.writeDouble(1)
    to.writeDouble(2)
    to.writeSetEnd()
  })
  field(13, 504, () => {
    to.writeMapBegin(11, 15, 2)
    for (const key of ['k1', 'k2']) {
      to.writeString(key)
      list(to, 10, [1, 2 ** 40], (it) => to.writeI64(it))
    }
    to.writeMapEnd()
  })
  field(16, 505, () => to.writeUuid('00112233-4455-6677-8899-aabbccddeeff'))
}

function list<T>(to: Writer, type: number, values: readonly T[], write: (value: T) => void): void {
  to.writeListBegin(type, values.length)
  for (const value of values) write(value)
  to.writeListEnd()
}
