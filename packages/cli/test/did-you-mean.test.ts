import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readDuration } from '../src/arguments.ts'
import { didYouMean } from '../src/usage.ts'

test('the nearest word is offered: swapped, missing, superfluous and wrong letters', () => {
  const words = ['control-plane', 'proxy', 'validate', 'demo']
  for (const [typed, meant] of [
    ['porxy', 'proxy'],
    ['prxy', 'proxy'],
    ['vallidate', 'validate'],
    ['controlplane', 'control-plane'],
    ['Demo', 'demo'],
  ] as const) {
    assert.equal(didYouMean(typed, words), ` Did you mean "${meant}"?`)
  }
})

test('a word unlike all others gets no offer', () => {
  assert.equal(didYouMean('kubernetes', ['proxy', 'demo']), '')
})

test('durations are read in every unit, and in seconds without one', () => {
  const texts = ['20s', '1500ms', '2m', '0.5s', '7']
  const read = texts.map((text) => readDuration('demo', 'duration', text))
  assert.deepEqual(read, [20_000, 1500, 120_000, 500, 7000])
})
