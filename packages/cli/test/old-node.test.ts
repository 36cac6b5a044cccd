import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { COMMAND } from './run-command.ts'

/** Makes Node say that it is version 20. Preloaded by flag, so that a Node that takes over says what it is. */
const AS_NODE_20 = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.0.0'}})`

function onNode20(script: string, args: readonly string[]) {
  return spawnSync(process.execPath, ['--import', AS_NODE_20, script, ...args], { encoding: 'utf8' })
}

test('on an old Node the command hands over to the one that npm installed, with arguments and exit code', () => {
  const { status, stdout } = onNode20(COMMAND, ['version', '--output', 'json'])
  assert.equal(status, 0)
  assert.match((JSON.parse(stdout) as { node: string }).node, /^24\./)
  assert.equal(onNode20(COMMAND, ['no-such-verb']).status, 2)
})

test('where npm installed none, it says what to do', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-old-node-'))
  try {
    const copy = join(folder, 'aeraki.mjs')
    copyFileSync(COMMAND, copy)
    const { status, stderr } = onNode20(copy, ['version'])
    assert.equal(status, 1)
    assert.match(stderr, /needs Node 24 or newer[^]*npm ci/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
