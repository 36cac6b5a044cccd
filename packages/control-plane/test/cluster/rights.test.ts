/** A control plane that lacks a right: what it says, what goes on without, and that it recovers. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { type Cluster, freePort, needPeer } from '@aeraki/testing'
import { type KubernetesControlPlane, startKubernetesControlPlane } from '../../src/index.ts'
import { startMeshCluster, until } from '../support/cluster.ts'

const { skip } = needPeer('kubernetes')
const loopback = { host: '127.0.0.1', port: 0 }

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

interface ClusterRole {
  readonly rules: readonly Rule[]
}

async function page(address: string | undefined, path: string): Promise<string> {
  return await (await fetch(`http://${address}${path}`)).text()
}

async function untilPage(address: string | undefined, path: string, text: RegExp): Promise<string> {
  for (let tries = 0; ; tries++) {
    const shown = await page(address, path)
    if (text.test(shown)) return shown
    assert.ok(tries < 100, `${path} never shows ${text}: ${shown.slice(0, 2000)}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

describe('a control plane that lacks a right', { skip }, () => {
  let cluster: Cluster
  let role: ClusterRole
  const running: Promise<KubernetesControlPlane>[] = []

  before(async () => {
    cluster = await startMeshCluster()
    role = JSON.parse(cluster.kubectl(['get', 'clusterrole', 'aeraki', '-o', 'json'])) as ClusterRole
    cluster.apply(service)
  })
  afterEach(async () => {
    grantAll()
    await Promise.all(running.splice(0).map(async (each) => await (await each).close()))
  })
  after(() => cluster?.stop())

  function setRules(rules: readonly Rule[]): void {
    const patch = JSON.stringify([{ op: 'replace', path: '/rules', value: rules }])
    cluster.kubectl(['patch', 'clusterrole', 'aeraki', '--type=json', '-p', patch])
  }

  function withhold(resource: string): void {
    setRules(role.rules.map((rule) => ({ ...rule, resources: rule.resources.filter((each) => each !== resource) })))
  }

  function grantAll(): void {
    setRules(role.rules)
  }

  function start(admin = loopback): Promise<KubernetesControlPlane> {
    const started = startKubernetesControlPlane({
      kubeconfig: cluster.configFor('aeraki'),
      namespace: 'istio-system',
      xds: loopback,
      admin,
      timing: { longestPause: 300 },
      election: { leaseMs: 2000, renewDeadlineMs: 1300, retryMs: 200 },
    })
    running.push(started)
    return started
  }

  test('to read nodes serves without what nodes say of endpoints, says so, and has them when it is given the right', async () => {
    withhold('nodes')
    const { adminAddress } = await start()
    const shown = JSON.parse(await page(adminAddress, '/services')) as readonly {
      readonly endpoints: readonly { readonly locality: string; readonly labels: Record<string, string> }[]
    }[]
    assert.deepEqual(
      shown[0]?.endpoints.map(({ locality, labels }) => [locality, labels['version']]),
      [['eu/eu-1', 'v2']],
    )
    await untilPage(adminAddress, '/kubernetes', /"nodes",\s*"kind": "failing",\s*"reason": ".*403.*nodes is forbidden/)
    await untilPage(adminAddress, '/stats/prometheus', /^aeraki_kubernetes_failing_watches 1$/m)
    grantAll()
    await untilPage(adminAddress, '/services', /"locality": "eu\/eu-1\/rack-1"/)
    await untilPage(adminAddress, '/stats/prometheus', /^aeraki_kubernetes_failing_watches 0$/m)
  })

  test('to read gateways is not ready, deletes nothing, says what it waits for, and serves when it is given the right', async () => {
    await (await start()).close()
    running.length = 0
    await until('a filter', () => filters().includes('echo'))
    const standing = filters()
    withhold('gateways')
    const port = await freePort()
    const started = start({ host: '127.0.0.1', port })
    const admin = `127.0.0.1:${port}`
    await new Promise((resolve) => setTimeout(resolve, 500))
    const said = await untilPage(admin, '/ready', /gateways?:? .*forbidden/i)
    assert.match(said, /^the cluster has not been read yet\nGateway: .*403/)
    assert.equal((await fetch(`http://${admin}/ready`)).status, 503)
    assert.equal((await fetch(`http://${admin}/healthz`)).status, 200)
    assert.equal(filters(), standing)
    grantAll()
    await started
    assert.equal((await fetch(`http://${admin}/ready`)).status, 200)
  })

  test('to read the Secret of a RedisService goes on with everything else, and says so in its status', async () => {
    cluster.apply(redis)
    const startedAt = performance.now()
    const { adminAddress } = await start()
    assert.ok(performance.now() - startedAt < 8000, 'it does not wait for what it may not read')
    const condition = (): string =>
      cluster.kubectl([
        'get',
        'redisservice/cache',
        '-n',
        'shop',
        '-o',
        'jsonpath={range .status.conditions[*]}{.type}={.status} {.message}{"\\n"}{end}',
      ])
    await until('the condition', () => /Secret/.test(condition()))
    await untilPage(adminAddress, '/kubernetes', /secrets is forbidden|secrets \\"auth\\" is forbidden/)
    await until('the other filter', () => filters().includes('echo'))
    assert.ok(!content('cache').includes('pass-1'))
    cluster.apply(secretRole)
    await until('the password', () => content('cache').includes('pass-1'))
    await until('the condition', () => /Programmed=True/.test(condition()) && !/Secret/.test(condition()))
    cluster.kubectl(['patch', 'secret', 'auth', '-n', 'shop', '-p', '{"stringData":{"password":"pass-2"}}'])
    await until('the changed password', () => content('cache').includes('pass-2'))
  })

  function filters(): string {
    return cluster.kubectl(['get', 'envoyfilters', '-n', 'istio-system', '-o', 'name'])
  }

  function content(part: string): string {
    const all = JSON.parse(cluster.kubectl(['get', 'envoyfilters', '-A', '-o', 'json'])) as {
      items: readonly { metadata: { name: string }; spec: object }[]
    }
    return JSON.stringify(all.items.filter(({ metadata }) => metadata.name.includes(part)))
  }
})

const service = `
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: shop, annotations: {interface: Echo}}
spec: {clusterIP: 10.96.7.7, selector: {app: echo}, ports: [{name: tcp-dubbo, port: 20880}]}
---
apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: eu-1, topology.istio.io/subzone: rack-1}}
---
apiVersion: v1
kind: Pod
metadata: {name: echo-1, namespace: shop, labels: {app: echo, version: v2}}
spec: {nodeName: node-1, containers: [{name: echo, image: echo}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: echo-abc, namespace: shop, labels: {kubernetes.io/service-name: echo}}
addressType: IPv4
ports: [{name: tcp-dubbo, port: 30880, protocol: TCP}]
endpoints:
  - {addresses: [10.1.2.3], conditions: {ready: true}, nodeName: node-1, zone: eu-1, targetRef: {kind: Pod, name: echo-1, namespace: shop}}
`

const redis = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: cache, namespace: shop}
spec:
  hosts: [cache.example]
  addresses: [240.0.0.1]
  ports: [{number: 6379, name: tcp-redis, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 10.1.0.1}]
---
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisService
metadata: {name: cache, namespace: shop}
spec:
  host: [cache.example]
  settings: {auth: {secret: {name: auth}}}
---
apiVersion: v1
kind: Secret
metadata: {name: auth, namespace: shop}
stringData: {password: pass-1}
`

const secretRole = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: passwords, namespace: shop}
rules: [{apiGroups: [''], resources: [secrets], resourceNames: [auth], verbs: [list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: passwords, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: passwords}
subjects: [{kind: ServiceAccount, name: aeraki, namespace: istio-system}]
`
