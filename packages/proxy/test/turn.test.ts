import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { ByteBuffer } from '@aeraki/protocols'
import { BufferPool } from '../src/turn/buffers.ts'
import { Clock } from '../src/turn/clock.ts'
import { Flusher } from '../src/turn/flusher.ts'
import { TimerEntry, TimerWheel } from '../src/turn/timer-wheel.ts'
import { until } from './support/harness.ts'

class Entry extends TimerEntry {
  fired = 0
  firedAt = 0
  readonly #clock: Clock
  readonly #then: () => void

  constructor(clock: Clock, then: () => void = () => undefined) {
    super()
    this.#clock = clock
    this.#then = then
  }

  onTimer(): void {
    this.fired += 1
    this.firedAt = this.#clock.now
    this.#then()
  }
}

describe('the timer wheel', () => {
  test('deadlines come once, never early, and cancelled ones not at all', async () => {
    const clock = new Clock()
    const wheel = new TimerWheel(clock, 5)
    const startedAt = clock.refresh()
    const delays = [0, 1, 10, 20, 33, 60]
    const entries = delays.map((delay) => {
      const entry = new Entry(clock)
      wheel.start(entry, delay)
      return entry
    })
    const cancelled = new Entry(clock)
    wheel.start(cancelled, 15)
    wheel.cancel(cancelled)
    wheel.cancel(cancelled)
    await until(() => entries.every(({ fired }) => fired === 1))
    entries.forEach((entry, index) => assert.ok(entry.firedAt - startedAt >= (delays[index] ?? 0), `${index}`))
    assert.equal(cancelled.fired, 0)
  })

  test('a deadline can be moved, and set again when it came', async () => {
    const clock = new Clock()
    const wheel = new TimerWheel(clock, 2)
    const startedAt = clock.refresh()
    const moved = new Entry(clock)
    wheel.start(moved, 4)
    wheel.start(moved, 30)
    const repeating: Entry = new Entry(clock, () => {
      if (repeating.fired < 3) wheel.start(repeating, 4)
    })
    wheel.start(repeating, 4)
    await until(() => moved.fired === 1 && repeating.fired === 3)
    assert.ok(moved.firedAt - startedAt >= 30)
    wheel.stop()
  })

  test('one deadline may cancel and start others when it comes', async () => {
    const clock = new Clock()
    const wheel = new TimerWheel(clock, 2)
    clock.refresh()
    const victims = [new Entry(clock), new Entry(clock)]
    const late = new Entry(clock)
    const first = new Entry(clock, () => {
      for (const victim of victims) wheel.cancel(victim)
      wheel.start(late, 6)
    })
    wheel.start(first, 6)
    for (const victim of victims) wheel.start(victim, 6)
    await until(() => late.fired === 1)
    assert.deepEqual(
      victims.map(({ fired }) => fired),
      [0, 0],
    )
  })

  test('any number of starts and cancels leaves exactly those that should come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ delay: fc.integer({ min: 0, max: 12 }), cancel: fc.boolean() }), { maxLength: 60 }),
        async (plan) => {
          const clock = new Clock()
          const wheel = new TimerWheel(clock, 1)
          clock.refresh()
          const entries = plan.map(({ delay }) => {
            const entry = new Entry(clock)
            wheel.start(entry, delay)
            return entry
          })
          plan.forEach(({ cancel }, index) => {
            if (cancel) wheel.cancel(entries[index] as Entry)
          })
          await until(() => entries.every(({ fired }, index) => plan[index]?.cancel === true || fired === 1))
          plan.forEach(({ cancel }, index) => assert.equal(entries[index]?.fired, cancel ? 0 : 1))
        },
      ),
      { numRuns: 10 },
    )
  })
})

describe('the flusher', () => {
  test('writes each output once per turn, also those that are added while it writes', async () => {
    const flusher = new Flusher(setImmediate)
    const flushed: string[] = []
    const output = (name: string, then = (): void => undefined): { flushQueued: boolean; flush(): void } => ({
      flushQueued: false,
      flush() {
        flushed.push(name)
        then()
      },
    })
    const late = output('late')
    const one = output('one', () => flusher.add(late))
    flusher.add(one)
    flusher.add(one)
    flusher.add(output('two'))
    assert.deepEqual(flushed, [])
    await until(() => flushed.length === 3)
    assert.deepEqual(flushed, ['one', 'two', 'late'])
  })
})

describe('the buffer pool', () => {
  test('gives a buffer that has grown with its frames again, up to a bound', () => {
    const pool = new BufferPool()
    const grown = pool.take()
    grown.commit(grown.reserve(20_000) + 20_000)
    grown.clear()
    pool.give(grown)
    assert.equal(pool.take(), grown)
    // However many connections wrote in one turn, the pool keeps 8 MiB of their memory.
    const many = Array.from({ length: 1000 }, () => new ByteBuffer(20_000))
    for (const buffer of many) pool.give(buffer)
    const again = new Set(Array.from({ length: 1000 }, () => pool.take()))
    const kept = many.filter((buffer) => again.has(buffer)).length
    assert.equal(kept, Math.floor((8 * 1024 * 1024) / 20_000))
  })

  test('keeps large buffers apart, and none that is too large', () => {
    const pool = new BufferPool()
    const large = pool.takeLarge()
    pool.give(large)
    assert.notEqual(pool.take(), large)
    assert.equal(pool.takeLarge(), large)
    const huge = new ByteBuffer(1024 * 1024)
    pool.give(huge)
    assert.notEqual(pool.takeLarge(), huge)
  })
})
