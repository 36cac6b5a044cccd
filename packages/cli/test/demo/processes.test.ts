import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Processes } from '../../src/demo/processes.ts'

test('a process that ends by itself ends the demo, with its name and its last words', async () => {
  const processes = new Processes(() => {})
  processes.start('provider', process.execPath, ['-e', 'console.error("no port"); process.exit(3)'])
  await assert.rejects(processes.crashed, {
    code: 'DEMO_PROCESS_DIED',
    message: 'provider ended with exit code 3\n  no port',
  })
  await processes.stopAll()
})

test('a process that was dismissed may end by itself', async () => {
  const processes = new Processes(() => {})
  const child = processes.start('consumer', process.execPath, ['-e', ''])
  child.dismiss()
  await once(child.process, 'close')
  await processes.stopAll()
  await assert.rejects(processes.crashed, { code: 'DEMO_INTERRUPTED' })
})
