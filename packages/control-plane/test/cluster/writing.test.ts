/** What a control plane writes into a real cluster, and what it leaves alone. Everything is looked at with kubectl. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { type Cluster, needPeer, type Relay, startRelay } from '@aeraki/testing'
import { type KubernetesControlPlane, startKubernetesControlPlane } from '../../src/index.ts'
import { metaRouter, serviceEntry, startMeshCluster, until } from '../support/cluster.ts'

const { skip } = needPeer('kubernetes')
const loopback = { host: '127.0.0.1', port: 0 }

describe('a control plane in a cluster', { skip }, () => {
  let cluster: Cluster
  let relay: Relay
  const running: KubernetesControlPlane[] = []

  before(async () => {
    cluster = await startMeshCluster()
    relay = await startRelay(cluster.port)
  })
  afterEach(async () => {
    relay.heal()
    relay.delay(0)
    await Promise.all(running.splice(0).map((each) => each.close()))
    cluster.kubectl([
      'delete',
      'serviceentries,metarouters,services,endpointslices,pods',
      '--all',
      '-n',
      'shop',
      '--wait=false',
      '--force',
    ])
  })
  after(async () => {
    await relay?.close()
    await cluster?.stop()
  })

  async function start(port = cluster.port, patience = 1): Promise<KubernetesControlPlane> {
    const controlPlane = await startKubernetesControlPlane({
      kubeconfig: cluster.configFor('aeraki', port),
      namespace: 'istio-system',
      xds: loopback,
      admin: loopback,
      timing: { longestPause: 500, silence: 2000, missing: 500, confirm: 300 },
      election: { leaseMs: 2000 * patience, renewDeadlineMs: 1300 * patience, retryMs: 200 * patience },
    })
    running.push(controlPlane)
    return controlPlane
  }

  function get(what: string, path: string): string {
    const namespace = what.startsWith('envoyfilter') ? 'istio-system' : 'shop'
    const { status, output } = cluster.tryKubectl(['get', what, '-n', namespace, '-o', `jsonpath=${path}`])
    return status === 0 ? output : ''
  }

  function filtersOf(name: string): readonly EnvoyFilter[] {
    const all = cluster.kubectl(['get', 'envoyfilters', '-n', 'istio-system', '-o', 'json'])
    const { items } = JSON.parse(all) as { items: readonly EnvoyFilter[] }
    return items.filter(({ metadata }) => metadata.name.startsWith(`aeraki-outbound-${name}.`))
  }

  /** Its content; empty where there is none. */
  const filterOf = (name: string): string =>
    filtersOf(name)
      .map(({ spec }) => JSON.stringify(spec))
      .join('')
  const versionOf = (name: string): string | undefined => filtersOf(name)[0]?.metadata.resourceVersion
  const conditionOf = (name: string, type: string, field: string): string =>
    get(`metarouter/${name}`, `{.status.conditions[?(@.type=="${type}")].${field}}`)
  const addressOf = (name: string): string => get(`serviceentry/${name}`, '{.spec.addresses[*]}')
  const gatewayFilters = (): string =>
    cluster.kubectl(['get', 'envoyfilters', '-A', '-o', 'name']).match(/\S*aeraki-gateway-outbound-\S*/)?.[0] ?? ''
  const filterWrites = () => cluster.writesOf('aeraki').filter(({ resource }) => resource === 'envoyfilters')

  /** Nothing has been written or deleted for a while. */
  async function settle(): Promise<void> {
    let writes = -1
    let quiet = 0
    await until('quiet', () => {
      const now = cluster.writesOf('aeraki').filter(({ resource }) => resource !== 'leases').length
      quiet = now === writes ? quiet + 1 : 0
      writes = now
      return quiet > 3
    })
  }

  test('writes EnvoyFilters with its label and manager, and each of them once', async () => {
    cluster.apply(serviceEntry('orders', { addresses: ['240.0.0.1'] }))
    cluster.apply(metaRouter('orders', 'place'))
    await start()
    await until('the filter', () => filterOf('orders').includes('"place"'))
    const shown = cluster.kubectl([
      'get',
      'envoyfilters',
      '-n',
      'istio-system',
      '-l',
      'manager=Aeraki',
      '--show-managed-fields',
      '-o',
      'yaml',
    ])
    assert.match(shown, /manager: Aeraki\n\s+operation: Apply/)
    await settle()
    assert.equal(filterWrites().filter(({ name }) => name.includes('orders')).length, 1)
    const version = versionOf('orders')
    cluster.apply(serviceEntry('unrelated', { addresses: ['240.0.0.2'] }))
    await until('the other filter', () => filterOf('unrelated') !== '')
    await settle()
    assert.equal(versionOf('orders'), version)
    cluster.apply(metaRouter('orders', 'cancel'))
    await until('the change', () => filterOf('orders').includes('"cancel"'))
    cluster.kubectl(['delete', 'serviceentry', 'unrelated', '-n', 'shop'])
    await until('its end', () => filterOf('unrelated') === '')
    assert.notEqual(filterOf('orders'), '')
  })

  test('a restart writes nothing that stands there already', async () => {
    cluster.apply(serviceEntry('stable', { addresses: ['240.0.0.3'] }))
    const first = await start()
    await until('the filter', () => filterOf('stable') !== '')
    await settle()
    await first.close()
    const earlier = filterWrites().length
    const second = await start()
    await until('a leader', () => second.leads)
    await settle()
    assert.equal(filterWrites().length, earlier)
  })

  test('says in the status whether an object is valid and in force', async () => {
    cluster.apply(serviceEntry('known', { addresses: ['240.0.0.4'] }))
    cluster.apply(metaRouter('known', 'a'))
    cluster.apply(metaRouter('nobody', 'a'))
    cluster.apply(metaRouter('broken', 'a').replace('"exact"', '"exact":"x","prefix"'))
    await start()
    await until('the conditions', () => conditionOf('known', 'Programmed', 'status') === 'True')
    cluster.kubectl(['wait', '--for=condition=Programmed', '--timeout=30s', '-n', 'shop', 'metarouter/known'])
    await until('the others', () => conditionOf('broken', 'Accepted', 'status') !== '')
    assert.equal(conditionOf('known', 'Accepted', 'status'), 'True')
    assert.equal(conditionOf('known', 'Accepted', 'observedGeneration'), '1')
    assert.equal(conditionOf('nobody', 'Accepted', 'status'), 'True')
    assert.equal(conditionOf('nobody', 'Programmed', 'status'), 'False')
    assert.equal(conditionOf('nobody', 'Programmed', 'reason'), 'MESH_UNKNOWN_HOST')
    assert.equal(conditionOf('broken', 'Accepted', 'status'), 'False')
    assert.match(conditionOf('broken', 'Accepted', 'reason'), /^API_/)
    assert.match(conditionOf('broken', 'Accepted', 'message'), /spec\.routes\[0\]\.match\.attributes\.method/)
    await settle()
    const writes = cluster.writesOf('aeraki').filter(({ subresource }) => subresource === 'status').length
    cluster.apply(serviceEntry('nobody', { addresses: ['240.0.0.5'] }))
    await until('the host', () => conditionOf('nobody', 'Programmed', 'status') === 'True')
    await settle()
    assert.equal(cluster.writesOf('aeraki').filter(({ subresource }) => subresource === 'status').length, writes + 1)
  })

  test('an object that breaks keeps its last good version in force', async () => {
    cluster.apply(serviceEntry('kept', { addresses: ['240.0.0.6'] }))
    cluster.apply(metaRouter('kept', 'good'))
    await start()
    await until('the filter', () => filterOf('kept').includes('"good"'))
    cluster.apply(metaRouter('kept', 'bad').replace('"exact"', '"exact":"x","prefix"'))
    await until('the error', () => conditionOf('kept', 'Accepted', 'status') === 'False')
    assert.ok(filterOf('kept').includes('"good"'))
    assert.equal(conditionOf('kept', 'Accepted', 'observedGeneration'), '2')
  })

  test("gives addresses beside the block of Istio, that stay over restarts and are nobody else's", async () => {
    cluster.apply(serviceEntry('one'))
    cluster.apply(serviceEntry('two'))
    cluster.apply(serviceEntry('none', { resolution: 'NONE', endpoints: undefined }))
    cluster.apply(serviceEntry('http', { ports: [{ number: 80, name: 'http', protocol: 'HTTP' }] }))
    const first = await start()
    await until('addresses', () => addressOf('one') !== '' && addressOf('two') !== '')
    const given = addressOf('one')
    assert.match(given, /^240\.241\.\d+\.\d+$/)
    assert.notEqual(given, addressOf('two'))
    assert.equal(addressOf('none'), '')
    assert.equal(addressOf('http'), '')
    await until('the filter', () => filterOf('one').includes(`"${given}_20880"`))
    await first.close()
    // A copy under another name brings the address, and who gave it, along.
    cluster.kubectl(['delete', 'serviceentry', 'two', '-n', 'shop'])
    const second = await start()
    cluster.apply(serviceEntry('two'))
    await until('an address', () => addressOf('two') !== '')
    assert.equal(addressOf('one'), given)
    assert.equal(second.counters().addresses.given, 1)
  })

  test('two ServiceEntries with one of our addresses: the younger is given another', async () => {
    cluster.apply(serviceEntry('older'))
    await start()
    await until('an address', () => addressOf('older') !== '')
    const given = addressOf('older')
    cluster.apply(serviceEntry('younger'))
    await until('an address', () => addressOf('younger') !== '')
    // As a restored backup would have it: our manager, somebody else's address.
    cluster.kubectl(
      ['apply', '--server-side', '--field-manager=aeraki-addresses', '--force-conflicts', '-f', '-'],
      JSON.stringify({
        apiVersion: 'networking.istio.io/v1',
        kind: 'ServiceEntry',
        metadata: { name: 'younger', namespace: 'shop' },
        spec: { addresses: [given] },
      }),
    )
    await until('another address', () => addressOf('younger') !== given)
    assert.equal(addressOf('older'), given)
  })

  test('repairs what others change in its objects', async () => {
    cluster.apply(serviceEntry('edited', { addresses: ['240.0.0.7'] }))
    await start()
    await until('the filter', () => filterOf('edited') !== '')
    await settle()
    cluster.kubectl([
      'patch',
      'envoyfilter',
      'aeraki-outbound-edited.example-240.0.0.7-20880',
      '-n',
      'istio-system',
      '--type=merge',
      '-p',
      '{"spec":{"priority":7}}',
    ])
    await until(
      'the repair',
      () => get('envoyfilter/aeraki-outbound-edited.example-240.0.0.7-20880', '{.spec.priority}') === '',
    )
    cluster.kubectl(['delete', 'envoyfilter', 'aeraki-outbound-edited.example-240.0.0.7-20880', '-n', 'istio-system'])
    await until('the filter', () => filterOf('edited') !== '')
    cluster.kubectl([
      'label',
      'envoyfilter',
      'aeraki-outbound-edited.example-240.0.0.7-20880',
      '-n',
      'istio-system',
      'manager-',
    ])
    await until(
      'the label',
      () =>
        get('envoyfilter/aeraki-outbound-edited.example-240.0.0.7-20880', '{.metadata.labels.manager}') === 'Aeraki',
    )
  })

  test('neither overwrites nor deletes what others made', async () => {
    cluster.apply(foreign('aeraki-outbound-taken.example-240.0.0.8-20880', {}))
    cluster.apply(foreign('copied', { manager: 'Aeraki' }))
    cluster.apply(serviceEntry('taken', { addresses: ['240.0.0.8'] }))
    cluster.apply(serviceEntry('free', { addresses: ['240.0.0.9'] }))
    const controlPlane = await start()
    await until('the other filter', () => filterOf('free') !== '')
    await until('the failure', () => controlPlane.counters().writer.failed > 0)
    await settle()
    assert.equal(get('envoyfilter/aeraki-outbound-taken.example-240.0.0.8-20880', '{.spec.priority}'), '3')
    assert.equal(get('envoyfilter/aeraki-outbound-taken.example-240.0.0.8-20880', '{.spec.configPatches}'), '')
    assert.equal(get('envoyfilter/copied', '{.spec.priority}'), '3')
    assert.deepEqual(
      filterWrites().filter(
        ({ verb, name }) =>
          verb === 'delete' && ['copied', 'aeraki-outbound-taken.example-240.0.0.8-20880'].includes(name),
      ),
      [],
    )
    cluster.kubectl(['delete', 'envoyfilter', 'aeraki-outbound-taken.example-240.0.0.8-20880', '-n', 'istio-system'])
    await until('its own', () => filterOf('taken') !== '')
  })

  test('the API server dies and comes back: nothing is deleted, nothing is written twice, and changes come through', async () => {
    for (let i = 0; i < 20; i++) cluster.apply(serviceEntry(`crash-${i}`, { addresses: [`240.0.1.${i}`] }))
    const controlPlane = await start()
    await until('the filters', () => filterOf('crash-19') !== '' && filterOf('crash-0') !== '')
    await settle()
    const earlier = filterWrites().length
    await cluster.killServer()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    assert.equal(controlPlane.leads, true)
    await until('the lease to run out', () => !controlPlane.leads)
    await cluster.startServer()
    await until('the lead', () => controlPlane.leads)
    await settle()
    assert.equal(filterWrites().length, earlier)
    cluster.apply(serviceEntry('after-crash', { addresses: ['240.0.2.1'] }))
    await until('the change', () => filterOf('after-crash') !== '')
    await settle()
    assert.deepEqual(
      filterWrites()
        .slice(earlier)
        .map(({ verb, name }) => `${verb} ${name}`),
      ['patch aeraki-outbound-after-crash.example-240.0.2.1-20880'],
    )
  })

  test('watches fall silent: what changed meanwhile is found, and nothing is deleted or written twice', async () => {
    cluster.apply(serviceEntry('silent', { addresses: ['240.0.0.10'] }))
    const controlPlane = await start(relay.port)
    await until('the filter', () => filterOf('silent') !== '')
    await settle()
    const earlier = filterWrites().length
    relay.stall()
    cluster.apply(metaRouter('silent', 'unseen'))
    await until('the lead to be lost', () => !controlPlane.leads)
    relay.heal()
    await until('the change', () => filterOf('silent').includes('"unseen"'))
    await settle()
    assert.equal(filterWrites().length, earlier + 1)
    relay.cut()
    cluster.apply(metaRouter('silent', 'after-cut'))
    await until('the change', () => filterOf('silent').includes('"after-cut"'))
    await settle()
    assert.equal(filterWrites().length, earlier + 2)
  })

  test('a slow API server: each object is written once', async () => {
    relay.delay(250)
    cluster.apply(serviceEntry('slow-0', { addresses: ['240.0.3.0'] }))
    const controlPlane = await start(relay.port, 10)
    await until('the lead', () => controlPlane.leads)
    await settle()
    const earlier = filterWrites().length
    for (let i = 1; i < 4; i++) cluster.apply(serviceEntry(`slow-${i}`, { addresses: [`240.0.3.${i}`] }))
    await until('the last', () => filterOf('slow-3') !== '')
    await settle()
    const names = filterWrites()
      .slice(earlier)
      .map(({ name }) => name)
    assert.equal(new Set(names).size, names.length)
    assert.deepEqual(
      filterWrites()
        .slice(earlier)
        .filter(({ verb }) => verb === 'delete'),
      [],
    )
  })

  test("writes a gateway's filter and VirtualService, deletes both with the MetaRouter, and leaves others' alone", async () => {
    cluster.apply(serviceEntry('shown', { addresses: ['240.0.0.12'] }))
    cluster.apply(gateway)
    cluster.apply(exposed('shown'))
    cluster.apply(othersVirtualService)
    const virtualServices = (): string => cluster.kubectl(['get', 'virtualservices', '-n', 'shop', '-o', 'name'])
    await start()
    await until('the VirtualService', () => virtualServices().includes('aeraki-vs-shop.front-20880'))
    await until('the filter', () => gatewayFilters().includes('aeraki-gateway-outbound-front.shop-20880'))
    const made = cluster.kubectl(['get', 'virtualservice/aeraki-vs-shop.front-20880', '-n', 'shop', '-o', 'json'])
    const { metadata, spec } = JSON.parse(made) as { metadata: { labels: object }; spec: object }
    assert.deepEqual(metadata.labels, { manager: 'Aeraki' })
    assert.match(JSON.stringify(spec), /"gateways":\["shop\/front"\]/)
    cluster.kubectl(['delete', 'metarouter', 'shown', '-n', 'shop'])
    await until('its end', () => !virtualServices().includes('aeraki-vs-shop.front-20880'))
    await until('the end of the filter', () => gatewayFilters() === '')
    assert.match(virtualServices(), /virtualservice.*\/theirs/)
    cluster.kubectl(['delete', 'gateways,virtualservices', '--all', '-n', 'shop'])
  })

  test('takes over what Aeraki 1.4 wrote: in place, without a second filter, and what nobody wants any more goes', async () => {
    const old = ['aeraki-outbound-moved.example-240.0.0.13-20880', 'aeraki-outbound-gone.example-240.0.0.14-20880']
    // As it writes: by create and update, under the same label and manager.
    for (const name of old) cluster.kubectl(['create', '-f', '-', '--field-manager=Aeraki'], foreign(name, ownLabel))
    const uid = get(`envoyfilter/${old[0]}`, '{.metadata.uid}')
    cluster.apply(serviceEntry('moved', { addresses: ['240.0.0.13'] }))
    await start()
    await until('the new content', () => filterOf('moved').includes('240.0.0.13_20880'))
    await until('the end of the other', () => filtersOf('gone').length === 0)
    const [filter, ...others] = filtersOf('moved')
    assert.deepEqual(others, [])
    assert.equal(filter?.metadata.name, old[0])
    assert.equal(get(`envoyfilter/${old[0]}`, '{.metadata.uid}'), uid, 'it was never away')
    // Nothing is left of the old content.
    assert.equal(filter?.spec.priority, undefined)
    await settle()
    const writes = filterWrites().filter(({ name }) => old.includes(name))
    assert.deepEqual(
      writes.map(({ verb, name }) => `${verb} ${name}`).toSorted(),
      [`delete ${old[1]}`, `patch ${old[0]}`, `update ${old[0]}`].toSorted(),
    )
  })

  test("Kubernetes services with ports of ours are services of the mesh, with pods' labels and nodes' places", async () => {
    cluster.apply(kubernetesService)
    const controlPlane = await start()
    await until('the filter', () => filterOf('echo').includes('"10.96.7.7_20880"'))
    const page = async () => await (await fetch(`http://${controlPlane.adminAddress}/services`)).text()
    const services = JSON.parse(await page()) as readonly ShownService[]
    assert.deepEqual(
      services.map(({ host }) => host),
      ['echo.shop.svc.cluster.local'],
    )
    const [echo] = services
    assert.equal(echo?.addresses[0]?.address, '10.96.7.7')
    assert.deepEqual(echo?.ports, [{ number: 20880, name: 'tcp-dubbo', protocol: 'dubbo' }])
    assert.equal(echo?.endpoints.length, 1)
    const [endpoint] = echo?.endpoints ?? []
    assert.deepEqual(
      [endpoint?.address, endpoint?.ports, endpoint?.locality],
      ['10.1.2.3', { 20880: 30880 }, 'eu/eu-1'],
    )
    assert.equal(endpoint?.labels['version'], 'v2')
    cluster.kubectl(['label', 'pod', 'echo-1', '-n', 'shop', 'version=v3', '--overwrite'])
    for (let tries = 0; !(await page()).includes('v3'); tries++) assert.ok(tries < 1000, 'the new label')
  })

  test('a standby serves and writes nothing; when the leader goes it takes over, and writes nothing twice', async () => {
    cluster.apply(serviceEntry('pair', { addresses: ['240.0.0.11'] }))
    const first = await start(cluster.port, 5)
    await until('the filter', () => filterOf('pair') !== '')
    const second = await start(cluster.port, 5)
    await settle()
    assert.deepEqual([first.leads, second.leads], [true, false])
    assert.deepEqual(second.counters().writer, { applied: 0, deleted: 0, repaired: 0, conflicts: 0, failed: 0 })
    assert.equal((await fetch(`http://${second.adminAddress}/ready`)).status, 200)
    const earlier = filterWrites().length
    await first.close()
    await until('the second', () => second.leads)
    cluster.apply(metaRouter('pair', 'second'))
    await until('the change', () => filterOf('pair').includes('"second"'))
    await settle()
    assert.equal(filterWrites().length, earlier + 1)
  })
})

function foreign(name: string, labels: object): string {
  return JSON.stringify({
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { name, namespace: 'istio-system', labels },
    spec: { priority: 3 },
  })
}

const ownLabel = { manager: 'Aeraki' }

const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 20880, name: tcp-dubbo, protocol: TCP}, hosts: ["*"]}]
`

const othersVirtualService = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: theirs, namespace: shop}
spec: {hosts: [theirs.example], tcp: [{route: [{destination: {host: theirs.example}}]}]}
`

/** A MetaRouter that shows the service at the gateway. */
function exposed(name: string): string {
  return metaRouter(name, 'sayHello').replace('"spec":{', '"spec":{"gateways":["shop/front"],')
}

interface EnvoyFilter {
  readonly metadata: {
    readonly name: string
    readonly resourceVersion: string
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly spec: { readonly priority?: number; readonly configPatches?: readonly unknown[] }
}

/** Of the admin page. */
interface ShownService {
  readonly host: string
  readonly addresses: readonly { readonly address: string }[]
  readonly ports: readonly unknown[]
  readonly endpoints: readonly {
    readonly address: string
    readonly ports: Readonly<Record<string, number>>
    readonly labels: Readonly<Record<string, string>>
    readonly locality: string
  }[]
}

const kubernetesService = `
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: shop, annotations: {interface: Echo}}
spec:
  clusterIP: 10.96.7.7
  selector: {app: echo}
  ports: [{name: tcp-dubbo, port: 20880, targetPort: rpc}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: eu-1}}
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
  - {addresses: [10.1.2.4], conditions: {ready: false}, nodeName: node-1, zone: eu-1}
`
