import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { claimPort, freePort } from '../../src/demo/ports.ts'
import { scenarios } from '../../src/demo/scenarios.ts'
import { EXAMPLE_PORT, openWorkspace } from '../../src/demo/workspace.ts'

const [scenario] = scenarios
const example = join(import.meta.dirname, '../../../../examples', scenario.name)

test('a workspace is a copy of the example, and is removed', () => {
  const workspace = openWorkspace(scenario, EXAMPLE_PORT, false)
  const files = readdirSync(workspace.folder)
  assert.deepEqual(files, readdirSync(example))
  for (const file of files) assert.equal(workspace.read(file), readFileSync(join(example, file), 'utf8'))
  workspace.close()
  assert.ok(!existsSync(workspace.folder))
})

test('another port is in the copy, and the example stays', () => {
  const workspace = openWorkspace(scenario, 20_999, false)
  assert.match(workspace.read('service-entry.yaml'), /number: 20999/)
  assert.match(readFileSync(join(example, 'service-entry.yaml'), 'utf8'), /number: 20880/)
  workspace.close()
})

test('a file is rewritten, removed and restored without leaving others', () => {
  const workspace = openWorkspace(scenario, EXAMPLE_PORT, false)
  const before = workspace.read('workload-v1.yaml')
  workspace.write('workload-v1.yaml', 'changed')
  assert.equal(workspace.read('workload-v1.yaml'), 'changed')
  workspace.remove('workload-v1.yaml')
  workspace.restore('workload-v1.yaml')
  assert.equal(workspace.read('workload-v1.yaml'), before)
  assert.deepEqual(readdirSync(workspace.folder), readdirSync(example))
  workspace.close()
})

test('visible workspaces of one scenario stand side by side in the working directory and leave nothing', () => {
  const home = process.cwd()
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-workspace-'))
  process.chdir(folder)
  try {
    const first = openWorkspace(scenario, EXAMPLE_PORT, true)
    const second = openWorkspace(scenario, EXAMPLE_PORT, true)
    assert.equal(first.shown(scenario.rule), join('demo-config', scenario.name, scenario.rule))
    assert.equal(second.shown(scenario.rule), join('demo-config', `${scenario.name}-2`, scenario.rule))
    first.close()
    second.close()
    assert.deepEqual(readdirSync(folder), [])
  } finally {
    process.chdir(home)
    rmSync(folder, { recursive: true, force: true })
  }
})

test('what a WorkloadEntry says is read from the example', () => {
  const workspace = openWorkspace(scenario, EXAMPLE_PORT, false)
  assert.deepEqual(workspace.workload('workload-v1.yaml'), {
    name: 'dubbo-sample-provider-v1',
    address: '127.77.0.11',
    locality: 'ap-guangzhou/zone-1',
    labels: { app: 'dubbo-sample-provider', version: 'v1' },
  })
  workspace.close()
})

test('a port that is taken at any address is passed over, and one that is claimed is not given twice', async () => {
  const wanted = await freePort()
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(wanted, '127.77.1.1', resolve))
  const first = await claimPort(wanted)
  const second = await claimPort(wanted)
  assert.ok(first.port > wanted)
  assert.ok(second.port > first.port)
  first.release()
  second.release()
  await new Promise((resolve) => taken.close(resolve))
})
