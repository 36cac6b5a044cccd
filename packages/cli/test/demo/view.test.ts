import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { describePicture, drawPicture, type Picture } from '../../src/demo/view.ts'

const picture: Picture = {
  scenario: 'traffic-split',
  summary: '30 % of the calls to v1, 70 % to v2',
  seconds: 12,
  groups: [
    { name: 'v1', state: 'up' },
    { name: 'v2', state: 'up' },
  ],
  address: '127.240.0.1:20880',
  runtime: 'bun',
  report: {
    type: 'report',
    requests: 1000,
    failed: 0,
    failures: [],
    calls: [
      { kind: '', group: 'v1', tracing: '', revision: '', count: 300 },
      { kind: '', group: 'v2', tracing: '', revision: '', count: 700 },
    ],
    latency: { p50: 0.5, p99: 12.34 },
    recentLatency: { p50: 0.55, p99: 2.5 },
    recent: { v1: { p50: 0.4, p99: 2 }, v2: { p50: 0.6, p99: 3 } },
    connectionsOpened: 4,
    connectionsDropped: 0,
  },
  rates: { v1: 300, v2: 700 },
  reloads: 3,
  ruleFile: 'demo-config/traffic-split/virtual-service.yaml',
  rule: ['everything -> v1 30 %, v2 70 %'],
  mistakes: [],
  event: '',
  hint: 'change the weights',
}
const wide = { color: false, width: 200 }

describe('the live view', () => {
  test('shows rate, share, total and latency by group', () => {
    const lines = drawPicture(picture, wide)
    const v2 = lines.find((line) => line.startsWith('  v2'))
    assert.match(v2 ?? '', /^ {2}v2 +700 +70\.0% +█{21} +700 +0\.60 ms +3\.00 ms$/)
  })

  test('shows all calls of the same time as the groups', () => {
    const all = drawPicture(picture, wide).find((line) => line.startsWith('  all'))
    assert.match(all ?? '', / 1000 +1000 +0\.55 ms +2\.50 ms$/)
  })

  test('shows the rule in force, reloads, connections and the file to edit', () => {
    const text = drawPicture(picture, wide).join('\n')
    assert.match(text, /everything -> v1 30 %, v2 70 %/)
    assert.match(text, /reloads 3 +connections opened 4, dropped 0/)
    assert.match(text, /edit demo-config\/traffic-split\/virtual-service\.yaml/)
  })

  test('a line never is wider than the terminal, coloured or not', () => {
    for (const color of [false, true]) {
      for (const line of drawPicture(picture, { color, width: 40 })) {
        assert.ok(stripVTControlCharacters(line).length <= 40, line)
      }
    }
  })

  test('has no escape sequences without colour', () => {
    const text = drawPicture(picture, wide).join('\n')
    assert.equal(stripVTControlCharacters(text), text)
  })

  test('shows mistakes in the folder', () => {
    const text = drawPicture({ ...picture, mistakes: ['a.yaml:3:1: what is wrong'] }, wide).join('\n')
    assert.match(text, /! a\.yaml:3:1: what is wrong/)
  })
})

test('the plain line has it all in one line', () => {
  const line = describePicture(picture)
  assert.doesNotMatch(line, /\n/)
  assert.match(line, /v1 300\/s, v2 700\/s; failed 0, p50 0\.50 ms, p99 12\.34 ms, reloads 3/)
})
