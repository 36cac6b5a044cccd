import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type ClusterConfig, loadClusterConfig } from '../src/index.ts'

async function authorization(config: ClusterConfig, refused = false): Promise<string | undefined> {
  return (await config.credentials(refused)).headers['authorization']
}

describe('a kubeconfig', () => {
  let folder: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'aeraki-kubeconfig-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  function write(name: string, user: object, cluster: object = {}): string {
    const path = join(folder, name)
    const config = {
      'current-context': 'here',
      contexts: [
        { name: 'here', context: { cluster: 'c', user: 'u', namespace: 'shop' } },
        { name: 'there', context: { cluster: 'c', user: 'nobody' } },
      ],
      clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443/', ...cluster } }],
      users: [{ name: 'u', user }],
    }
    writeFileSync(path, JSON.stringify(config))
    return path
  }

  test('says where the server is, as whom, and in which namespace', async () => {
    writeFileSync(join(folder, 'ca.pem'), 'CA')
    const kubeconfig = write('token', { token: 't0' }, { 'certificate-authority': 'ca.pem', 'tls-server-name': 'kube' })
    const config = loadClusterConfig({ kubeconfig })
    assert.equal(config.server, 'https://10.0.0.1:6443')
    assert.equal(config.namespace, 'shop')
    assert.deepEqual(config.tls, { ca: 'CA', servername: 'kube', insecure: false })
    assert.equal(await authorization(config), 'Bearer t0')
  })

  test('gives certificates, out of itself or out of files', async () => {
    writeFileSync(join(folder, 'key.pem'), 'KEY')
    const user = { 'client-certificate-data': Buffer.from('CERT').toString('base64'), 'client-key': 'key.pem' }
    const { cert, key } = await loadClusterConfig({ kubeconfig: write('cert', user) }).credentials(false)
    assert.deepEqual([cert, key], ['CERT', 'KEY'])
  })

  test('reads a token file again each time: it is renewed', async () => {
    writeFileSync(join(folder, 'token.txt'), 't1\n')
    const config = loadClusterConfig({ kubeconfig: write('file', { tokenFile: 'token.txt' }) })
    assert.equal(await authorization(config), 'Bearer t1')
    writeFileSync(join(folder, 'token.txt'), 't2\n')
    assert.equal(await authorization(config), 'Bearer t2')
  })

  test('runs an exec plugin, and again when its token was refused', async () => {
    const counter = join(folder, 'runs')
    const script = [
      `const fs = require('node:fs'); fs.appendFileSync(${JSON.stringify(counter)}, 'x')`,
      `const runs = fs.readFileSync(${JSON.stringify(counter)}, 'utf8').length`,
      `const info = JSON.parse(process.env.KUBERNETES_EXEC_INFO)`,
      `console.log(JSON.stringify({ kind: 'ExecCredential', status: { token: process.env.PREFIX + runs + info.spec.interactive } }))`,
    ]
    const exec = { command: process.execPath, args: ['-e', script.join(';')], env: [{ name: 'PREFIX', value: 'run-' }] }
    const config = loadClusterConfig({ kubeconfig: write('exec', { exec }) })
    assert.equal(await authorization(config), 'Bearer run-1false')
    assert.equal(await authorization(config), 'Bearer run-1false')
    assert.equal(await authorization(config, true), 'Bearer run-2false')
  })

  test('that lacks what it names is refused, with the place', () => {
    const kubeconfig = write('lacks', {})
    assert.throws(() => loadClusterConfig({ kubeconfig, context: 'there' }), {
      code: 'KUBERNETES_CONFIG',
      message: `${kubeconfig}: it has no user "nobody" under users`,
    })
    assert.throws(() => loadClusterConfig({ kubeconfig, context: 'nowhere' }), /no context "nowhere" under contexts/)
    assert.throws(() => loadClusterConfig({ kubeconfig: join(folder, 'absent') }), { code: 'KUBERNETES_CONFIG' })
    const old = write('old', { 'auth-provider': { name: 'gcp' } })
    assert.throws(() => loadClusterConfig({ kubeconfig: old }), /use an exec plugin/)
  })

  test('is looked for in KUBECONFIG, whose first file with the name counts', async () => {
    const [first, second] = [write('first', { token: 'first' }), write('second', { token: 'second' })]
    const config = loadClusterConfig({ env: { KUBECONFIG: `${join(folder, 'absent')}:${first}:${second}` } })
    assert.equal(await authorization(config), 'Bearer first')
  })
})
