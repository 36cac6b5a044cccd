import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { loadPath, validateSet } from '@aeraki/api'
import type { CallCount } from '../../src/demo/apps/messages.ts'
import { REWRITES } from '../../src/demo/result.ts'
import { scenarios } from '../../src/demo/scenarios.ts'
import type { Scenario } from '../../src/demo/scenario.ts'
import { weightsOf } from '../../src/demo/scenarios/traffic-split.ts'

const examples = join(import.meta.dirname, '../../../../examples')
const ruleOf = (scenario: Scenario) => readFileSync(join(examples, scenario.name, scenario.rule), 'utf8')

function named(name: string): Scenario {
  const scenario = scenarios.find((candidate) => candidate.name === name)
  assert.ok(scenario)
  return scenario
}

function calls(...counts: [kind: string, group: string, count: number, tracing?: string][]): CallCount[] {
  return counts.map(([kind, group, count, tracing = '']) => ({ kind, group, count, tracing, revision: '' }))
}

describe('examples', () => {
  for (const scenario of scenarios) {
    test(`${scenario.name} loads without an error`, () => {
      const { objects, diagnostics } = loadPath(join(examples, scenario.name))
      const errors = [...diagnostics, ...validateSet(objects)].filter(({ severity }) => severity === 'error')
      assert.deepEqual(errors, [])
    })

    test(`${scenario.name} has the files that the demo names, and no others are instances`, () => {
      const files = readdirSync(join(examples, scenario.name))
      assert.ok(files.includes(scenario.rule))
      assert.deepEqual(
        files.filter((file) => file.startsWith('workload-')).toSorted(),
        scenario.groups.map((group) => group.workload).toSorted(),
      )
    })

    test(`${scenario.name} can be rewritten, each time to something else`, () => {
      const original = ruleOf(scenario)
      const texts = Array.from({ length: REWRITES }, (_, i) => scenario.rewrite(original, i + 1))
      assert.equal(new Set([original, ...texts]).size, REWRITES + 1)
    })
  }
})

describe('traffic-split', () => {
  const scenario = named('traffic-split')
  const rule = ruleOf(scenario)
  const problems = (v1: number, v2: number, text = rule) =>
    scenario.problems({ calls: calls(['', 'v1', v1], ['', 'v2', v2]), phases: [] }, text)

  test('reads the weights from the rule', () => {
    assert.deepEqual(weightsOf(rule), { v1: 30, v2: 70 })
  })
  test('the split is checked to three standard deviations', () => {
    // 10,000 calls at 30 %: the standard deviation is 45.8.
    assert.deepEqual(problems(3000, 7000), [])
    assert.deepEqual(problems(3137, 6863), [])
    assert.equal(problems(3138, 6862).length, 2)
    assert.equal(problems(0, 10_000).length, 2)
  })
  test('other weights promise another split', () => {
    const even = rule.replace('weight: 30', 'weight: 50').replace('weight: 70', 'weight: 50')
    assert.deepEqual(problems(5000, 5000, even), [])
    assert.notDeepEqual(problems(3000, 7000, even), [])
  })
})

describe('batch-isolation', () => {
  const scenario = named('batch-isolation')
  const problems = (...counts: Parameters<typeof calls>) =>
    scenario.problems({ calls: calls(...counts), phases: [] }, '')

  test('nothing is wrong when each kind has its group', () => {
    assert.deepEqual(problems(['batchJob=true', 'batchjob', 9], ['batchJob=false', 'user', 9]), [])
  })
  test('a single call in the wrong group is told', () => {
    const found = problems(
      ['batchJob=true', 'batchjob', 9],
      ['batchJob=true', 'user', 1],
      ['batchJob=false', 'user', 9],
    )
    assert.deepEqual(found, ['1 calls with batchJob=true were answered by user'])
  })
  test('a kind without any answer is told', () => {
    assert.deepEqual(problems(['batchJob=true', 'batchjob', 9]), ['no call with batchJob=false was answered'])
  })
})

describe('canary', () => {
  const scenario = named('canary')
  const problems = (...counts: Parameters<typeof calls>) =>
    scenario.problems({ calls: calls(...counts), phases: [] }, '')

  test('nothing is wrong when the test user has v2 with tracing, and the others v1 without', () => {
    assert.deepEqual(problems(['user=test', 'v2', 9, '100'], ['user=alice', 'v1', 9]), [])
  })
  test('a call that lacks the attachment is told, and so is one that should not have it', () => {
    assert.equal(problems(['user=test', 'v2', 9, ''], ['user=alice', 'v1', 9]).length, 1)
    assert.equal(problems(['user=test', 'v2', 9, '100'], ['user=alice', 'v1', 9, '100']).length, 1)
  })
})

describe('locality', () => {
  const scenario = named('locality')
  const [zone = '', region = '', elsewhere = ''] = scenario.groups.map((group) => group.name)
  const problems = (...phases: { away: string[]; byGroup: Record<string, number> }[]) =>
    scenario.problems({ calls: [], phases }, '')

  test('nothing is wrong when each phase has the nearest group', () => {
    const found = problems(
      { away: [], byGroup: { [zone]: 9, [region]: 0, [elsewhere]: 0 } },
      { away: [zone], byGroup: { [region]: 9 } },
      { away: [zone, region], byGroup: { [elsewhere]: 9 } },
    )
    assert.deepEqual(found, [])
  })
  test('a call that goes farther than it needs is told', () => {
    assert.equal(problems({ away: [zone], byGroup: { [region]: 9, [elsewhere]: 1 } }).length, 1)
  })
  test('a phase without calls is told', () => {
    assert.equal(problems({ away: [], byGroup: {} }).length, 1)
  })
})
