/**
 * Finds the end of a struct that does not say its length, without recursion and without reading anything twice: it
 * stops where the bytes end and goes on there when there are more. Long strings and containers of fixed-size elements
 * are leapt over, so `position` may lie beyond the bytes that have arrived.
 *
 * A subclass (./binary.ts, ./compact.ts) reads field headers and values of its encoding.
 */
import type { Limits } from '../contract.ts'
import { malformed, tooLarge } from './wire.ts'

/** Nesting of structs and containers; Thrift libraries refuse more than 64 themselves. */
export const maxDepth = 128

/** Instead of a count: values come until the stop field. */
const inStruct = -1

export abstract class Skipper {
  /** Everything before it is skipped. Relative to the beginning of the frame. */
  protected position = 0
  readonly #limits: Limits
  /** One entry per open struct or container: values that are still to come, or `inStruct`. */
  readonly #remaining: number[] = []
  /** Types of the values: keys and values of maps alternate. */
  readonly #firstType: number[] = []
  readonly #secondType: number[] = []

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Begins a struct so many bytes after the beginning of the frame. */
  start(position: number): void {
    this.position = position
    this.#remaining.length = 0
    this.#remaining.push(inStruct)
    this.#firstType.length = 0
    this.#firstType.push(0)
    this.#secondType.length = 0
    this.#secondType.push(0)
  }

  /** Length of the frame that begins at `at`, or 0 when its end has not arrived. Throws `ProtocolError`. */
  advance(bytes: Buffer, at: number, available: number): number {
    const remaining = this.#remaining
    while (remaining.length > 0) {
      const top = remaining.length - 1
      const count = remaining[top] as number
      if (count === 0) {
        this.#pop()
      } else if (count === inStruct) {
        if (this.position >= available) return 0
        const stop = bytes[at + this.position] === 0
        if (stop) {
          this.position += 1
          this.#pop()
        } else if (!this.field(bytes, at, available)) return 0
      } else {
        const type = (count & 1) === 0 ? this.#firstType[top] : this.#secondType[top]
        if (!this.value(bytes, at, available, this.position, type as number)) return 0
        // The value may have opened a container above this one.
        remaining[top] = count - 1
      }
      if (this.position > this.#limits.maxFrameBytes) throw tooLarge(this.position, this.#limits.maxFrameBytes)
    }
    return this.position <= available ? this.position : 0
  }

  /** Skips a field's header and its value as `value` does; the field is not the stop field. */
  protected abstract field(bytes: Buffer, at: number, available: number): boolean

  /**
   * Skips the value of this type at `from` (relative to `at`), or opens it with `openStruct` or `openContainer`, and
   * sets `position`. Returns false, having changed nothing, when the bytes do not tell how yet.
   */
  protected abstract value(bytes: Buffer, at: number, available: number, from: number, type: number): boolean

  protected openStruct(): void {
    this.#push(inStruct, 0, 0)
  }

  /** @param count of values; of a map's keys and values together */
  protected openContainer(count: number, firstType: number, secondType: number): void {
    // Every value takes a byte at least: what can't fit is refused before it is waited for.
    if (this.position + count > this.#limits.maxFrameBytes)
      throw tooLarge(this.position + count, this.#limits.maxFrameBytes)
    this.#push(count, firstType, secondType)
  }

  #push(count: number, firstType: number, secondType: number): void {
    if (this.#remaining.length >= maxDepth) throw malformed(`nested more than ${maxDepth} deep`)
    this.#remaining.push(count)
    this.#firstType.push(firstType)
    this.#secondType.push(secondType)
  }

  #pop(): void {
    this.#remaining.pop()
    this.#firstType.pop()
    this.#secondType.pop()
  }
}
