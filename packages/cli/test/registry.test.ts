/** `aeraki registry` on a real ZooKeeper, as users run it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { validatePaths } from '@aeraki/api'
import { needPeer, type ZookeeperServer, zookeeperServer } from '@aeraki/testing'
import { type ZookeeperWriter, zookeeperWriter } from '../../registries/test/support/zookeeper-writer.ts'
import { aeraki, COMMAND } from './run-command.ts'
import { untilAsync } from './support/mesh.ts'

const peer = needPeer('zookeeper')
const FREE = '127.0.0.1:0'

describe('registry', { skip: peer.skip === false ? needPeer('java').skip : peer.skip }, () => {
  let server: ZookeeperServer
  let writer: ZookeeperWriter
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-registry-'))
  const [config, services] = [join(folder, 'registries.yaml'), join(folder, 'services')]
  before(async () => {
    server = await zookeeperServer()
    await server.start()
    writer = await zookeeperWriter(`127.0.0.1:${server.port}`)
    const provider = encodeURIComponent('dubbo://10.0.0.1:20880/org.demo.Api?interface=org.demo.Api')
    await writer.create(`/dubbo/org.demo.Api/providers/${provider}`)
    await writer.create('/dubbo/org.demo.Api/providers/nonsense')
    writeFileSync(
      config,
      `namespace: shop\nregistries:\n- {name: main, type: zookeeper, servers: ["127.0.0.1:${server.port}"]}\noutputs: {folder: ${services}}\n`,
    )
  })
  after(async () => {
    writer?.close()
    await server?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('writes what the control plane takes, is ready then, says why a provider is missing, and ends on SIGTERM', async () => {
    const child = spawn(process.execPath, [COMMAND, 'registry', '--config', config, '--admin', FREE], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    try {
      const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
      const admin = /^admin (\S+)$/.exec(line)?.[1]
      assert.ok(admin)
      await untilAsync('it is ready', async () => (await fetch(`http://${admin}/ready`)).status === 200)
      await untilAsync('it is written', async () => readdirSync(services).join() === 'shop.aeraki-org-demo-api.yaml')
      assert.deepEqual(validatePaths([services]).diagnostics, [])
      const { code, stdout } = await aeraki(['registry', 'status', '--admin', admin])
      assert.equal(code, 0)
      assert.match(stdout, /^1 services, 1 instances; ready$/m)
      assert.match(stdout, /^main +zookeeper +connected +1 +0 +1 +1 +0 +\d/m)
      assert.match(stdout, /^ {2}main {2}nonsense\n {6}REGISTRATION_MALFORMED: /m)
      const metrics = await (await fetch(`http://${admin}/stats/prometheus`)).text()
      assert.match(metrics, /^aeraki_registry_providers_rejected\{registry="main"\} 1$/m)
      await server.stop()
      await untilAsync('it is told', async () => {
        const asked = await aeraki(['registry', 'status', '--admin', admin])
        return asked.code === 1 && /^main +zookeeper +\w+, stale/m.test(asked.stdout)
      })
      assert.equal((await fetch(`http://${admin}/ready`)).status, 200)
    } finally {
      child.kill('SIGTERM')
    }
    const [code] = child.exitCode === null ? ((await once(child, 'exit')) as [number | null]) : [child.exitCode]
    assert.equal(code, 0)
    assert.deepEqual(readdirSync(services), ['shop.aeraki-org-demo-api.yaml'])
  })

  test('says what is wrong with its file, with the place', async () => {
    const wrong = join(folder, 'wrong.yaml')
    writeFileSync(wrong, 'registries:\n- {type: zookeper, servers: [a]}\noutputs: {folder: x}\n')
    const { code, stderr } = await aeraki(['registry', '--config', wrong, '--admin', FREE])
    assert.equal(code, 1)
    assert.match(stderr, /wrong\.yaml:2:10: error API_BAD_VALUE registries\[0\]\.type/)
    assert.match(stderr, /\(REGISTRY_CONFIG\)$/m)
  })

  test('without an output, or without its file, says what to give', async () => {
    const idle = join(folder, 'idle.yaml')
    writeFileSync(idle, 'registries:\n- {type: zookeeper, servers: [a]}\n')
    const { code, stderr } = await aeraki(['registry', '--config', idle])
    assert.equal(code, 2)
    assert.match(stderr, /names no output/)
    assert.equal((await aeraki(['registry'])).code, 2)
  })

  test('status says that nobody answers', async () => {
    const { code, stderr } = await aeraki(['registry', 'status', '--admin', '127.0.0.1:1'])
    assert.equal(code, 1)
    assert.match(stderr, /\(REGISTRY_STATUS\)$/m)
  })
})
