/** What is printed, taken by a real API server with Istio's own CRDs, and compared with what is there. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Cluster, needPeer, startCluster } from '@aeraki/testing'
import { aeraki } from '../run-command.ts'

const kubernetes = needPeer('kubernetes')
const examples = fileURLToPath(new URL('../../../../examples', import.meta.url))
const folder = join(examples, 'traffic-split')

describe('a real API server', { skip: kubernetes.skip }, () => {
  let cluster: Cluster
  before(async () => {
    cluster = await startCluster()
    cluster.apply(readFileSync(join(kubernetes.path, 'istio-crds.yaml'), 'utf8'))
    cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s'])
    for (const namespace of ['istio-system', 'redis']) cluster.tryKubectl(['create', 'namespace', namespace])
  })
  after(() => cluster?.stop())

  test('takes what is generated of every example', async () => {
    for (const name of globSync('*/', { cwd: examples })) {
      const { stdout } = await aeraki(['generate', '--config', join(examples, name)])
      cluster.kubectl(['apply', '--server-side', '--dry-run=server', '-f', '-'], stdout)
    }
  })

  test('has nothing of it, then all of it, then something that is to go', async () => {
    const diff = (...args: string[]) => aeraki(['diff', ...args, '--kubeconfig', cluster.adminConfig])
    const empty = await diff(folder)
    assert.equal(empty.code, 1, empty.stderr)
    assert.match(empty.stdout, /^\+kind: EnvoyFilter$/m)

    const { stdout } = await aeraki(['generate', '--config', folder])
    cluster.apply(stdout)
    const same = await diff(folder)
    assert.equal(same.stdout, '')
    assert.equal(same.code, 0, same.stderr)

    // Another manager's EnvoyFilter is none of our business.
    cluster.apply(stdout.replaceAll('manager: Aeraki', 'manager: somebody').replaceAll('aeraki-', 'their-'))
    assert.equal((await diff(folder)).code, 0)

    cluster.apply(stdout.replace('weight: 70', 'weight: 71').replaceAll('aeraki-inbound', 'aeraki-stale'))
    const { stdout: text } = await diff(folder)
    assert.match(text, /^-kind: EnvoyFilter$/m)
    assert.match(text, /^-\s+weight: 71$/m)
    assert.match(text, /^\+\s+weight: 70$/m)
  })

  test('that does not answer makes it fail with an exit code above 1', async () => {
    await cluster.killServer()
    const { code, stderr } = await aeraki(['diff', folder, '--kubeconfig', cluster.adminConfig])
    assert.equal(code, 2)
    assert.match(stderr, /KUBERNETES_UNREACHABLE/)
  })
})
