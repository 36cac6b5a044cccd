import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Turns } from '../../src/server/turns.ts'

test('tasks run in order, so many in a turn of the event loop, and none in the present one', async () => {
  const turns = new Turns(10)
  const done: number[] = []
  for (let task = 0; task < 25; task += 1) turns.run(() => done.push(task))
  const afterEachTurn: number[] = []
  while (done.length < 25) {
    afterEachTurn.push(done.length)
    await setImmediate()
  }
  assert.deepEqual(afterEachTurn, [0, 10, 20])
  assert.deepEqual(
    done,
    Array.from({ length: 25 }, (_, task) => task),
  )
})

test('a task that has more to do gets another turn', async () => {
  const turns = new Turns(10)
  const done: string[] = []
  turns.run(() => {
    done.push('first')
    turns.run(() => done.push('second'))
  })
  await setImmediate()
  assert.deepEqual(done, ['first'])
  await setImmediate()
  assert.deepEqual(done, ['first', 'second'])
})
