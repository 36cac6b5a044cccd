/** Random structs, written by Apache Thrift's own library. */
import * as fc from 'fast-check'
import type { Writer } from './messages.ts'

/** A value knows its type and how to write itself. */
export interface Value {
  readonly type: number
  readonly write: (to: Writer) => void
}

const scalars: readonly fc.Arbitrary<Value>[] = [
  fc.boolean().map((it): Value => ({ type: 2, write: (to) => to.writeBool(it) })),
  fc.integer({ min: -128, max: 127 }).map((it): Value => ({ type: 3, write: (to) => to.writeByte(it) })),
  fc.double().map((it): Value => ({ type: 4, write: (to) => to.writeDouble(it) })),
  fc.integer({ min: -32768, max: 32767 }).map((it): Value => ({ type: 6, write: (to) => to.writeI16(it) })),
  fc.integer().map((it): Value => ({ type: 8, write: (to) => to.writeI32(it) })),
  fc.maxSafeInteger().map((it): Value => ({ type: 10, write: (to) => to.writeI64(it) })),
  fc.string({ unit: 'grapheme', maxLength: 200 }).map((it): Value => ({ type: 11, write: (to) => to.writeString(it) })),
  fc.uint8Array({ maxLength: 200 }).map((it): Value => ({ type: 11, write: (to) => to.writeBinary(Buffer.from(it)) })),
  fc.uuid().map((it): Value => ({ type: 16, write: (to) => to.writeUuid(it) })),
]

/** Containers hold values of one type: one value, several times over. */
const { value } = fc.letrec<{ value: Value }>((tie) => {
  const inner = tie('value')
  const count = fc.integer({ min: 0, max: 20 })
  const list = fc.tuple(inner, count).map(([it, times]): Value => ({
    type: 15,
    write(to) {
      to.writeListBegin(it.type, times)
      for (let index = 0; index < times; index += 1) it.write(to)
      to.writeListEnd()
    },
  }))
  const set = fc.tuple(inner, count).map(([it, times]): Value => ({
    type: 14,
    write(to) {
      to.writeSetBegin(it.type, times)
      for (let index = 0; index < times; index += 1) it.write(to)
      to.writeSetEnd()
    },
  }))
  const map = fc.tuple(inner, inner, count).map(([key, it, times]): Value => ({
    type: 13,
    write(to) {
      to.writeMapBegin(key.type, it.type, times)
      for (let index = 0; index < times; index += 1) {
        key.write(to)
        it.write(to)
      }
      to.writeMapEnd()
    },
  }))
  const struct = fieldsOf(inner).map((write): Value => ({
    type: 12,
    write(to) {
      to.writeStructBegin('')
      write(to)
      to.writeFieldStop()
      to.writeStructEnd()
    },
  }))
  return { value: fc.oneof({ maxDepth: 4, withCrossShrink: true }, ...scalars, list, set, map, struct) }
})

/** The fields of a random struct; ids go up and down, by much and by little. */
export const fields: fc.Arbitrary<(to: Writer) => void> = fieldsOf(value)

function fieldsOf(inner: fc.Arbitrary<Value>): fc.Arbitrary<(to: Writer) => void> {
  const id = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: -32768, max: 32767 }))
  return fc.array(fc.tuple(id, inner), { maxLength: 5 }).map((entries) => (to) => {
    for (const [number, it] of entries) {
      to.writeFieldBegin('', it.type, number)
      it.write(to)
      to.writeFieldEnd()
    }
  })
}
