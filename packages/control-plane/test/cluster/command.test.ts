/** `aeraki control-plane --kubernetes` as processes of their own: two of them, a webhook, and a leader that is killed. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { type Cluster, needPeer } from '@aeraki/testing'
import { metaRouter, serviceEntry, startMeshCluster, until } from '../support/cluster.ts'

const { skip } = needPeer('kubernetes')
const command = join(import.meta.dirname, '../../../cli/bin/aeraki.js')

interface Running {
  readonly child: ChildProcess
  /** `host:port` by name: `xds`, `admin`, `webhook`. */
  readonly addresses: ReadonlyMap<string, string>
}

describe('aeraki control-plane --kubernetes', { skip }, () => {
  let cluster: Cluster
  let folder: string
  const running: Running[] = []

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'aeraki-webhook-'))
    makeCertificate('first')
    useCertificate('first')
    cluster = await startMeshCluster()
    cluster.apply(serviceEntry('orders', { addresses: ['240.0.0.1'] }))
    running.push(await start(), await start())
  })
  after(async () => {
    for (const { child } of running) child.kill('SIGKILL')
    await cluster?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  function makeCertificate(name: string): void {
    const options = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`]
    const files = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)]
    const made = spawnSync('openssl', ['req', ...options, '-addext', 'subjectAltName=IP:127.0.0.1', ...files])
    assert.equal(made.status, 0, String(made.stderr))
  }

  /** As a volume that shows another version of a Secret. */
  function useCertificate(name: string): void {
    copyFileSync(join(folder, `${name}.key`), join(folder, 'tls.key'))
    copyFileSync(join(folder, `${name}.crt`), join(folder, 'tls.crt'))
  }

  async function start(): Promise<Running> {
    const cert = ['--webhook-cert', join(folder, 'tls.crt'), '--webhook-key', join(folder, 'tls.key')]
    const listen = ['xds', 'admin', 'webhook'].flatMap((name) => [`--${name}`, '127.0.0.1:0'])
    const options = ['--kubernetes', '--kubeconfig', cluster.configFor('aeraki'), '--namespace', 'istio-system']
    const child = spawn(process.execPath, [command, 'control-plane', ...options, ...listen, ...cert], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const addresses = new Map<string, string>()
    for await (const line of createInterface(child.stdout)) {
      const [name = '', address = ''] = line.split(' ')
      addresses.set(name, address)
      if (addresses.size === 3) break
    }
    assert.equal(addresses.size, 3, 'it has ended')
    return { child, addresses }
  }

  async function page(of: Running | undefined, path: string): Promise<string> {
    return await (await fetch(`http://${of?.addresses.get('admin')}${path}`)).text()
  }

  async function leads(of: Running | undefined): Promise<boolean> {
    return (JSON.parse(await page(of, '/kubernetes')) as { leads: boolean }).leads
  }

  function register(name: string): void {
    const webhook = {
      name: 'validation.aeraki.io',
      clientConfig: {
        url: `https://${running[0]?.addresses.get('webhook')}/validate`,
        caBundle: readFileSync(join(folder, `${name}.crt`)).toString('base64'),
      },
      rules: [
        {
          apiGroups: ['metaprotocol.aeraki.io', 'redis.aeraki.io', 'dubbo.aeraki.io'],
          apiVersions: ['*'],
          operations: ['CREATE', 'UPDATE'],
          resources: ['*'],
        },
      ],
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      failurePolicy: 'Fail',
      timeoutSeconds: 5,
    }
    const kind = { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration' }
    cluster.apply(JSON.stringify({ ...kind, metadata: { name: 'aeraki' }, webhooks: [webhook] }))
  }

  const broken = metaRouter('orders', 'a').replace('"exact"', '"exact":"x","prefix"')

  function deny(): string {
    // The server reads its configuration of webhooks from a cache.
    for (let tries = 0; tries < 50; tries++) {
      const { status, output } = cluster.tryKubectl(['apply', '--server-side', '--dry-run=server', '-f', '-'], broken)
      if (status !== 0 && !output.includes('failed calling webhook')) return output
      spawnSync('sleep', ['0.2'])
    }
    return assert.fail('not denied')
  }

  test('the webhook denies what aeraki validate calls an error, and says where and why', () => {
    register('first')
    const said = deny()
    assert.match(said, /admission webhook "validation.aeraki.io" denied the request/)
    assert.match(said, /API_TOO_MANY_OF spec\.routes\[0\]\.match\.attributes\.method/)
    assert.match(said, /Keep one of exact, prefix/)
    cluster.apply(metaRouter('orders', 'place'))
  })

  test('a renewed certificate is used without a restart', () => {
    makeCertificate('second')
    useCertificate('second')
    register('second')
    assert.match(deny(), /denied the request/)
  })

  test('one of two leads; when it is killed the other one takes over, and writes what changed and nothing else', async () => {
    const led = await Promise.all(running.map(leads))
    assert.equal(led.filter(Boolean).length, 1)
    const [leader, standby] = led[0] === true ? running : running.toReversed()
    const names = () =>
      cluster.kubectl([
        'get',
        'envoyfilters',
        '-n',
        'istio-system',
        '-o',
        'jsonpath={range .items[*]}{.metadata.name}@{.metadata.resourceVersion} {end}',
      ])
    await until('the filter', () => names().includes('aeraki-outbound-orders'))
    cluster.kubectl(['delete', 'validatingwebhookconfiguration', 'aeraki'])
    const standing = names()
    const writes = cluster.writesOf('aeraki').filter(({ resource }) => resource !== 'leases').length
    leader?.child.kill('SIGKILL')
    for (let tries = 0; !(await leads(standby)); tries++) {
      assert.ok(tries < 300, 'nobody leads')
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    await new Promise((resolve) => setTimeout(resolve, 1000))
    assert.equal(names(), standing)
    assert.equal(cluster.writesOf('aeraki').filter(({ resource }) => resource !== 'leases').length, writes)
    cluster.apply(serviceEntry('later', { addresses: ['240.0.0.2'] }))
    await until('the new filter', () => names().includes('aeraki-outbound-later'))
    assert.ok(names().includes(standing.trim()))
    assert.match(await page(standby, '/stats/prometheus'), /^aeraki_kubernetes_leader 1$/m)
  })

  test('SIGTERM gives the lease up', async () => {
    const standby = running.find(({ child }) => child.exitCode === null && child.signalCode === null)
    const ended = new Promise((resolve) => standby?.child.once('exit', resolve))
    standby?.child.kill('SIGTERM')
    assert.equal(await ended, 0)
    assert.equal(
      cluster.kubectl(['get', 'lease', 'aeraki-leader', '-n', 'istio-system', '-o', 'jsonpath={.spec.holderIdentity}']),
      '',
    )
  })
})
