/** The client against a real API server: what it does when that goes away, falls silent, forgets or lacks things. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { type Cluster, needPeer, type Relay, startCluster, startRelay } from '@aeraki/testing'
import {
  createKubernetesClient,
  type Election,
  type KubernetesClient,
  type KubernetesObject,
  loadClusterConfig,
  mapReceiver,
  type Reflector,
  type ReflectorTiming,
  type Resource,
  type ResourceQuery,
  startElection,
  startReflector,
} from '../../src/index.ts'

const { skip } = needPeer('kubernetes')
const configMaps: Resource = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true }
const quick = { leaseMs: 2000, renewDeadlineMs: 1300, retryMs: 200 }

describe('the Kubernetes client, with a real API server', { skip }, () => {
  let cluster: Cluster
  let relay: Relay
  let direct: KubernetesClient
  let relayed: KubernetesClient
  const reflectors: Reflector[] = []
  const elections: Election[] = []

  before(async () => {
    cluster = await startCluster()
    relay = await startRelay(cluster.port)
    direct = createKubernetesClient(loadClusterConfig({ kubeconfig: cluster.adminConfig }))
    relayed = createKubernetesClient(loadClusterConfig({ kubeconfig: cluster.configFor('admin', relay.port) }))
  })
  afterEach(async () => {
    relay.heal()
    await Promise.all([...reflectors.splice(0), ...elections.splice(0)].map((each) => each.close()))
  })
  after(async () => {
    direct?.close()
    relayed?.close()
    await relay?.close()
    await cluster?.stop()
  })

  function follow(resource: Resource | ResourceQuery, timing: Partial<ReflectorTiming> = {}) {
    const objects = new Map<string, KubernetesObject>()
    let touched = 0
    const reflector = startReflector({
      client: relayed,
      resource,
      timing: { longestPause: 300, ...timing },
      receiver: mapReceiver(
        objects,
        (object) => object,
        () => touched++,
      ),
    })
    reflectors.push(reflector)
    return { objects, reflector, touched: () => touched }
  }

  function put(name: string, value: string): void {
    cluster.apply(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace: 'default' },
        data: { value },
      }),
    )
  }

  test('follows what is there, what comes, what changes and what goes', async () => {
    put('first', '1')
    const { objects, reflector } = follow(configMaps)
    await reflector.firstSync
    assert.equal(valueOf(objects.get('default/first')), '1')
    assert.equal(objects.get('default/first')?.kind, 'ConfigMap')
    put('second', '1')
    put('first', '2')
    await until('the change', () => objects.has('default/second') && valueOf(objects.get('default/first')) === '2')
    cluster.kubectl(['delete', 'configmap', 'first', 'second'])
    await until('the end', () => !objects.has('default/first') && !objects.has('default/second'))
    assert.equal(reflector.counters.lists, 1)
  })

  test('goes on where it was after its connections were cut, without listing again', async () => {
    const { objects, reflector, touched } = follow(configMaps)
    await reflector.firstSync
    await until('the watch', () => reflector.state.kind === 'watching')
    const earlier = touched()
    relay.cut()
    put('after-cut', '1')
    await until('the change', () => objects.has('default/after-cut'))
    assert.equal(reflector.counters.lists, 1)
    assert.ok(reflector.counters.watches >= 2)
    assert.equal(touched() - earlier, 1)
    cluster.kubectl(['delete', 'configmap', 'after-cut'])
  })

  test('notices a watch that has fallen silent, and misses nothing', async () => {
    const { objects, reflector } = follow(configMaps, { silence: 1500 })
    await reflector.firstSync
    await until('the watch', () => reflector.state.kind === 'watching')
    relay.stall()
    put('in-silence', '1')
    await until('the watchdog', () => reflector.counters.silences > 0)
    assert.equal(objects.has('default/in-silence'), false)
    relay.heal()
    await until('the change', () => objects.has('default/in-silence'))
    assert.equal(reflector.counters.lists, 1)
    cluster.kubectl(['delete', 'configmap', 'in-silence'])
  })

  test('keeps what it knows while the server is gone, and finds what changed when it is back', async () => {
    put('before-kill', '1')
    const { objects, reflector } = follow(configMaps)
    await reflector.firstSync
    const known = objects.size
    await cluster.killServer()
    await until('the failure', () => reflector.state.kind === 'failing')
    assert.equal(objects.size, known)
    await cluster.startServer()
    put('before-kill', '2')
    await until('the change', () => valueOf(objects.get('default/before-kill')) === '2')
    assert.equal(objects.size, known)
    cluster.kubectl(['delete', 'configmap', 'before-kill'])
  })

  test('lists again when the server has forgotten the version', async () => {
    const objects = new Map<string, KubernetesObject>()
    let asked = 0
    const client: KubernetesClient = {
      ...direct,
      async stream(request) {
        asked += 1
        // The server answers versions that are compacted away so; here it is asked for one that never was.
        const query = asked === 1 ? { ...request.query, resourceVersion: '1' } : request.query
        await direct.stream({ ...request, ...(query === undefined ? {} : { query }) })
      },
    }
    const receiver = mapReceiver(
      objects,
      (object) => object,
      () => undefined,
    )
    const reflector = startReflector({ client, resource: configMaps, receiver, timing: { longestPause: 300 } })
    reflectors.push(reflector)
    await reflector.firstSync
    put('after-410', '1')
    await until('the change', () => objects.has('default/after-410'))
    cluster.kubectl(['delete', 'configmap', 'after-410'])
    assert.equal(reflector.counters.lists, 2)
  })

  test('counts a kind without a CRD as empty, picks it up later, and believes that it is gone only when it is', async () => {
    const query = { group: 'test.aeraki.io', kind: 'Widget', versions: ['v2', 'v1'] }
    const { objects, reflector } = follow(query, { missing: 300, confirm: 300 })
    await reflector.firstSync
    assert.equal(reflector.state.kind, 'missing')
    cluster.apply(JSON.stringify(widgetCrd))
    cluster.kubectl(['wait', '--for=condition=Established', 'crd/widgets.test.aeraki.io'])
    cluster.apply(
      JSON.stringify({
        apiVersion: 'test.aeraki.io/v1',
        kind: 'Widget',
        metadata: { name: 'one', namespace: 'default' },
      }),
    )
    await until('the widget', () => objects.has('default/one'))
    assert.deepEqual(reflector.resource?.version, 'v1')
    await cluster.killServer()
    await cluster.startServer()
    await until('the watch', () => reflector.state.kind === 'watching')
    assert.ok(objects.has('default/one'))
    cluster.kubectl(['delete', 'crd', 'widgets.test.aeraki.io'])
    await until('the end', () => reflector.state.kind === 'missing')
    assert.equal(objects.size, 0)
  })

  test('reads lists of several pages', async () => {
    const items = Array.from({ length: 1203 }, (_, i) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: `page-${i}`, namespace: 'default' },
    }))
    cluster.kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    const { objects, reflector } = follow(configMaps)
    await reflector.firstSync
    assert.equal([...objects.keys()].filter((key) => key.startsWith('default/page-')).length, 1203)
    cluster.kubectl(['delete', 'configmap', '--all', '-n', 'default', '--wait=false'])
  })

  function elect(identity: string, client = direct): { election: Election; changes: boolean[] } {
    const changes: boolean[] = []
    const onChange = (leads: boolean): void => void changes.push(leads)
    const election = startElection({ client, namespace: 'default', name: 'test-leader', identity, ...quick, onChange })
    elections.push(election)
    return { election, changes }
  }

  test('elects one leader; another one follows when it gives up', async () => {
    const first = elect('first')
    await until('a leader', () => first.election.leads)
    const second = elect('second')
    await until('the second to see it', () => second.election.holder === 'first')
    assert.equal(second.election.leads, false)
    assert.match(cluster.kubectl(['get', 'lease', 'test-leader']), /first/)
    await first.election.close()
    await until('the second', () => second.election.leads)
    assert.deepEqual(first.changes, [true, false])
    assert.equal(cluster.kubectl(['get', 'lease', 'test-leader', '-o', 'jsonpath={.spec.leaseTransitions}']), '1')
  })

  test('a leader that is cut off stops leading before another one begins', async () => {
    const isolated = elect('isolated', relayed)
    await until('a leader', () => isolated.election.leads)
    const other = elect('other')
    let both = false
    const watch = setInterval(() => {
      both ||= isolated.election.leads && other.election.leads
    }, 5)
    relay.stall()
    await until('the other', () => other.election.leads)
    clearInterval(watch)
    assert.equal(both, false)
    assert.equal(isolated.election.leads, false)
  })
})

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 600, `not in time: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function valueOf(object: KubernetesObject | undefined): unknown {
  return (object?.['data'] as { value?: unknown } | undefined)?.value
}

const widgetCrd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.test.aeraki.io' },
  spec: {
    group: 'test.aeraki.io',
    names: { kind: 'Widget', plural: 'widgets', singular: 'widget', listKind: 'WidgetList' },
    scope: 'Namespaced',
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
}
