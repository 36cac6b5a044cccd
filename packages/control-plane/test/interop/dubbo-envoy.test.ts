/** Apache Dubbo's Java consumer and provider through the dubbo_proxy of a real Envoy, by generated EnvoyFilters. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  type DubboConsumer,
  type DubboProvider,
  freePorts,
  needPeer,
  startDubboConsumer,
  startDubboProvider,
  type StaticEnvoy,
} from '@aeraki/testing'
import { startGeneratedEnvoy } from '../support/generated-envoy.ts'

const missing = [needPeer('envoy'), needPeer('dubbo-java'), needPeer('java')].find(({ skip }) => skip !== false)
const host = 'demo.shop.svc.cluster.local'
const demoService = 'org.apache.dubbo.samples.basic.api.DemoService'

const mesh = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: demo, namespace: shop, annotations: {interface: "*"}}
spec:
  hosts: [${host}]
  addresses: [10.0.0.1, 10.0.0.2]
  ports: [{number: 20880, name: tcp-dubbo, protocol: TCP}]
  resolution: STATIC
  workloadSelector: {labels: {app: demo}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: demo, namespace: shop}
spec:
  host: ${host}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: demo, namespace: shop}
spec:
  hosts: [${host}]
  http:
  - match:
    - {method: {exact: describe}}
    - {headers: {batchJob: {exact: "true"}}}
    - {headers: {user: {prefix: vip-, }, interface: {exact: ${demoService}}}}
    - {headers: {user: {regex: "te[s]t.*"}}, withoutHeaders: {env: {exact: prod}}}
    route: [{destination: {host: ${host}, subset: v2}}]
  - match: [{headers: {user: {exact: half}}}]
    route:
    - {destination: {host: ${host}, subset: v1}, weight: 30}
    - {destination: {host: ${host}, subset: v2}, weight: 70}
  - route: [{destination: {host: ${host}, subset: v1}}]
`

const denyAll = `
---
apiVersion: dubbo.aeraki.io/v1alpha1
kind: DubboAuthorizationPolicy
metadata: {name: only-web, namespace: shop}
spec: {rules: [{from: [{source: {principals: [cluster.local/ns/web/sa/frontend]}}]}]}
`

describe('Dubbo through a real Envoy', { skip: missing?.skip ?? false }, () => {
  let providers: DubboProvider[] = []
  let envoy: StaticEnvoy
  let guarded: StaticEnvoy
  let consumer: DubboConsumer

  before(async () => {
    const [one = 0, two = 0] = await freePorts(2)
    // One JVM is enough to wait for; the other provider is another implementation.
    providers = await Promise.all([
      startDubboProvider('java', { port: one, name: 'v1' }),
      startDubboProvider('sofa', { port: two, name: 'v2' }),
    ])
    const app = (cluster: string): number => (cluster.includes('|v2|') ? two : one)
    const workloads = await startGeneratedEnvoy(mesh, app)
    const inbound = workloads.portOf(`shop/aeraki-inbound-${host}-20880 virtualInbound:20880`)
    // Calls to v1 pass a second Envoy, in front of the workload.
    envoy = await startGeneratedEnvoy(mesh, (cluster) => (cluster.includes('|v1|') ? inbound : app(cluster)))
    guarded = await startGeneratedEnvoy(mesh + denyAll, app)
    others.push(workloads)
    consumer = await startDubboConsumer('java', {
      address: `127.0.0.1:${envoy.portOf('10.0.0.1_20880')}`,
      serialization: 'hessian2',
    })
  })
  const others: StaticEnvoy[] = []
  after(async () => {
    await consumer?.stop()
    for (const each of [envoy, guarded, ...others]) await each?.stop()
    await Promise.all(providers.map((provider) => provider.stop()))
  })

  async function whoAnswers(attachments: Record<string, string>, count = 3): Promise<Map<string, number>> {
    const calls = await consumer.call('sayHello', { count, attachments })
    const answers = calls.map(({ value, error }) => /v[12]/.exec(JSON.stringify(value ?? ''))?.[0] ?? `error ${error}`)
    return new Map([...Map.groupBy(answers, (answer) => answer)].map(([answer, list]) => [answer, list.length]))
  }

  test('calls that no rule is for go the last way, through an Envoy in front of the workload, too', async () => {
    assert.deepEqual(await whoAnswers({}), new Map([['v1', 3]]))
    const stats = await others[0]?.stats(/^dubbo\.inbound\|20880\|\|\.request_twoway$/)
    assert.ok(
      [...(stats?.values() ?? [])].some((count) => count >= 3),
      JSON.stringify([...(stats ?? [])]),
    )
  })

  test('calls are routed by attachment: exact, prefix with the interface, regular expression', async () => {
    assert.deepEqual(await whoAnswers({ batchJob: 'true' }), new Map([['v2', 3]]))
    assert.deepEqual(await whoAnswers({ batchJob: 'false' }), new Map([['v1', 3]]))
    assert.deepEqual(await whoAnswers({ user: 'vip-1' }), new Map([['v2', 3]]))
    assert.deepEqual(await whoAnswers({ user: 'tester', env: 'dev' }), new Map([['v2', 3]]))
  })

  test('an inverted condition holds where the attachment is there with another value, and not where it is missing', async () => {
    assert.deepEqual(await whoAnswers({ user: 'tester', env: 'prod' }), new Map([['v1', 3]]))
    assert.deepEqual(await whoAnswers({ user: 'tester' }), new Map([['v1', 3]]))
  })

  test('calls are routed by method, of another interface too', async () => {
    const [call] = await consumer.call('describe', {})
    assert.match(JSON.stringify(call), /v2/)
  })

  test('weights are kept', async () => {
    const answers = await whoAnswers({ user: 'half' }, 300)
    const first = answers.get('v1') ?? 0
    assert.equal(first + (answers.get('v2') ?? 0), 300)
    // 90 are expected, with a standard deviation of 8.
    assert.ok(first > 40 && first < 140, `${first} of 300`)
  })

  test('a policy on callers keeps out whom nothing identifies', async () => {
    const port = guarded.portOf(`shop/aeraki-inbound-${host}-20880 virtualInbound:20880`)
    const stranger = await startDubboConsumer('sofa', { address: `127.0.0.1:${port}`, timeout: 1000 })
    try {
      const [call] = await stranger.call('sayHello', {})
      assert.equal(call?.value, undefined)
      assert.notEqual(call?.error, undefined)
      const stats = await guarded.stats(/dubbo_allow\.rbac\.denied$/)
      assert.ok(
        [...stats.values()].some((count) => count > 0),
        JSON.stringify([...stats]),
      )
    } finally {
      await stranger.stop()
    }
  })

  test('both addresses of the service lead to it', async () => {
    const other = await startDubboConsumer('sofa', { address: `127.0.0.1:${envoy.portOf('10.0.0.2_20880')}` })
    try {
      const [call] = await other.call('sayHello', { attachments: { batchJob: 'true' } })
      assert.match(JSON.stringify(call?.value ?? call?.error), /v2/)
    } finally {
      await other.stop()
    }
  })
})
