import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closed, strings } from '@aeraki/api/schema'
import { AerakiError } from '@aeraki/api'
import { parseBridgeConfig } from '../src/bridge/config.ts'
import { defineRegistry } from '../src/contract.ts'

const toy = defineRegistry('toy', closed({ servers: strings({ minItems: 1 }) }), () => ({
  start() {},
  async close() {},
  progress: () => ({ heardAt: undefined, pending: 0 }),
}))

test('a configuration has sensible defaults for all but the registries', () => {
  const config = parseBridgeConfig('registries: [{type: toy, servers: [a]}]', 'bridge.yaml', [toy])
  const { registries, ...rest } = config
  assert.deepEqual(rest, {
    namespace: 'default',
    serviceAccount: 'default',
    ports: {},
    grace: 30_000,
    massGrace: 300_000,
    startTimeout: undefined,
    outputs: {},
  })
  assert.deepEqual(registries, [{ name: 'toy', type: toy, settings: { servers: ['a'] } }])
})

test('every mistake in a configuration is said at once, with its place and its remedy', () => {
  const text = [
    'namespace: Not_One',
    'registries:',
    '  - type: toi',
    '  - type: toy',
    '    server: [a]',
    '  - {name: A_B, type: toy, servers: [a]}',
    '  - {type: toy, servers: ["${NO_SUCH_VARIABLE}"]}',
    '  - {type: toy, servers: [b]}',
  ].join('\n')
  assert.throws(
    () => parseBridgeConfig(text, 'bridge.yaml', [toy]),
    (error: AerakiError) => {
      assert.equal(error.code, 'REGISTRY_CONFIG')
      const places = error.message.split('\n').flatMap((line) => /^bridge\.yaml:(\d+):\d+: /.exec(line)?.[1] ?? [])
      assert.deepEqual(places, ['7', '3', '4', '5', '6', '8', '1'], error.message)
      assert.match(error.message, /did you mean "servers"/)
      return true
    },
  )
  assert.throws(
    () => parseBridgeConfig('grace: soon\nregistries: []', 'bridge.yaml', [toy]),
    /bridge\.yaml:1:8: error API_BAD_DURATION grace: .*\n.*\nbridge\.yaml:2:13: error API_MISSING_FIELD registries/,
  )
})

test('a text in it may name environment variables', () => {
  process.env['AERAKI_TEST_SERVER'] = '10.0.0.1'
  const config = parseBridgeConfig('registries: [{type: toy, servers: ["${AERAKI_TEST_SERVER}:1"]}]', 'x', [toy])
  assert.deepEqual(config.registries[0]?.settings, { servers: ['10.0.0.1:1'] })
})
