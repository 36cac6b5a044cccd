import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseRuntime } from '../src/runtime-choice.ts'

const installed = { findBun: () => '/opt/bun', env: {} }
const missing = { findBun: () => undefined, env: {} }

test('the proxy runs on Bun where it is installed, else on Node', () => {
  assert.deepEqual(chooseRuntime(installed), { name: 'bun', path: '/opt/bun', reason: 'it is installed' })
  assert.deepEqual(chooseRuntime(missing), { name: 'node', path: process.execPath, reason: 'Bun is not installed' })
})

test('a flag goes before the environment, the environment before what is installed', () => {
  const env = { AERAKI_RUNTIME: 'node' }
  assert.equal(chooseRuntime({ ...installed, env }).name, 'node')
  assert.equal(chooseRuntime({ ...installed, env, preference: 'bun' }).name, 'bun')
  assert.equal(chooseRuntime({ ...installed, env: { AERAKI_RUNTIME: '' } }).name, 'bun')
})

test('a runtime that is not there, or that nobody knows, is an error', () => {
  assert.throws(() => chooseRuntime({ ...missing, preference: 'bun' }), {
    code: 'PROXY_RUNTIME_MISSING',
    message: /--runtime "bun"/,
  })
  assert.throws(() => chooseRuntime({ ...missing, env: { AERAKI_RUNTIME: 'deno' } }), {
    code: 'PROXY_RUNTIME_UNKNOWN',
    message: /AERAKI_RUNTIME "deno"/,
  })
})
