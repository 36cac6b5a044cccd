import { afterEach, beforeEach, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromBinary } from '@bufbuild/protobuf'
import { ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { RouteConfigurationSchema } from '@aeraki/xds/gen/envoy/config/route/v3/route_pb.ts'
import { typeUrls } from '@aeraki/xds'
import { type ControlPlane, startControlPlane } from '../src/index.ts'
import { connectClient, type TestClient } from './support/client.ts'
import type { NodeOptions } from './support/mesh.ts'
import { seed } from './support/seed.ts'
import { serviceEntry } from './support/yaml.ts'

const host = 'org.apache.dubbo.samples.basic.api.demoservice'
const loopback = { host: '127.0.0.1', port: 0 }

function weights(client: TestClient): number[] {
  const any = client.get(typeUrls.routes, `${host}_20880`)
  if (any === undefined) return []
  const [route] = fromBinary(RouteConfigurationSchema, any.value).virtualHosts[0]?.routes ?? []
  if (route?.action.case !== 'route' || route.action.value.clusterSpecifier.case !== 'weightedClusters') return []
  return route.action.value.clusterSpecifier.value.clusters.map(({ weight }) => weight ?? 0)
}

async function listenersOf(client: TestClient): Promise<readonly string[]> {
  client.subscribe(typeUrls.listener, '*')
  await client.until(() => client.names(typeUrls.listener).length > 0)
  return client.names(typeUrls.listener)
}

describe('the standalone control plane', () => {
  let folder: string
  let control: ControlPlane
  let clients: TestClient[]

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'aeraki-control-'))
    clients = []
  })

  afterEach(async () => {
    await Promise.all(clients.map((client) => client.close()))
    await control?.close()
    chmodSync(folder, 0o700)
    rmSync(folder, { recursive: true })
  })

  async function start(): Promise<void> {
    control = await startControlPlane({
      configDir: folder,
      xds: loopback,
      admin: loopback,
      folder: { debounceMs: 5 },
    })
  }

  function connect(node: NodeOptions = {}): TestClient {
    const client = connectClient(control.xdsAddress, node)
    clients.push(client)
    return client
  }

  const write = (file: string, text: string) => writeFileSync(join(folder, file), text)

  async function admin(path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://${control.adminAddress}${path}`)
    return { status: response.status, text: await response.text() }
  }

  test('serves the seed talk’s YAML as it was written, and its changes', async () => {
    write('service.yaml', seed.service)
    write('rules.yaml', seed.split)
    write('subsets.yaml', seed.versions)
    write('workloads.yaml', seed.workloads)
    await start()
    const client = connect()
    client.subscribe(typeUrls.listener, '*')
    client.subscribe(typeUrls.cluster, '*')
    await client.until(() => client.names(typeUrls.cluster).length === 3 && client.names(typeUrls.listener).length > 0)
    assert.deepEqual(client.names(typeUrls.listener), ['193.193.192.192_20880'])
    const clusters = ['v1', 'v2', ''].map((subset) => `outbound|20880|${subset}|${host}`)
    assert.deepEqual(client.names(typeUrls.cluster), clusters)
    client.subscribe(typeUrls.endpoints, clusters)
    client.subscribe(typeUrls.routes, [`${host}_20880`])
    await client.until(() => client.names(typeUrls.endpoints).length === 3 && weights(client).length === 2)
    assert.deepEqual(weights(client), [30, 70])
    write('rules.yaml', seed.split.replace('weight: 30', 'weight: 55').replace('weight: 70', 'weight: 45'))
    await client.until(() => weights(client)[0] === 55)
    assert.deepEqual(control.counters().reloads, 2)
  })

  test('a broken edit changes nothing for proxies and is reported until it is mended', async () => {
    write('all.yaml', seed.service + seed.split + seed.versions)
    await start()
    const client = connect()
    client.subscribe(typeUrls.routes, [`${host}_20880`])
    await client.until(() => weights(client).length === 2)
    const updates = client.updates
    const broken = seed.split.replace('weight: 30', 'weight: thirty')
    write('all.yaml', seed.service + broken + seed.versions)
    await client.poll(() => control.diagnostics().some(({ severity }) => severity === 'error'))
    const [error] = control.diagnostics().filter(({ severity }) => severity === 'error')
    assert.equal(error?.field, 'spec.http[0].route[0].weight')
    const { text } = await admin('/diagnostics?format=text')
    assert.match(text, /all\.yaml:\d+:\d+: error .*VirtualService/)
    assert.equal(control.counters().staleObjects, 1)
    write('all.yaml', `${seed.service + broken + seed.versions}\n: : not YAML [`)
    await client.poll(() => control.counters().staleObjects === 2)
    assert.equal(client.updates, updates)
    assert.deepEqual(weights(client), [30, 70])
    write('all.yaml', seed.service + seed.split.replace('weight: 30', 'weight: 29') + seed.versions)
    await client.until(() => weights(client)[0] === 29)
    assert.equal(control.counters().staleObjects, 0)
  })

  test('an edit that changes no resource pushes nothing', async () => {
    write('a.yaml', serviceEntry({ host: 'a.example' }))
    await start()
    const client = connect({ namespace: 'web' })
    for (const typeUrl of [typeUrls.listener, typeUrls.cluster]) client.subscribe(typeUrl, '*')
    await client.until(
      () => client.names(typeUrls.cluster).length === 1 && client.names(typeUrls.listener).length === 1,
    )
    const { pushes } = control.counters()
    const unrelated = serviceEntry({ host: 'b.example', namespace: 'shop', spec: ['exportTo: [.]'] })
    for (const text of [unrelated, `# comment\n${unrelated}`, '']) {
      write('b.yaml', text)
      write(
        'marker.yaml',
        `${text}\n---\n{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: m${text.length}}, spec: {address: 127.0.0.1}}`,
      )
      const objects = text === '' ? 2 : 3
      await client.poll(() => control.counters().objects === objects)
    }
    assert.equal(control.counters().pushes, pushes)
    write('b.yaml', unrelated.replace('exportTo: [.]', 'exportTo: [web]'))
    await client.until(() => client.names(typeUrls.cluster).length === 2)
  })

  test('VIPs are those of before after a restart, also when other services have come and gone', async () => {
    write('a.yaml', serviceEntry({ host: 'a.example' }))
    await start()
    const [first] = await listenersOf(connect())
    assert.match(first ?? '', /^127\.240\.\d+\.\d+_20880$/)
    await control.close()
    const state = join(folder, '.aeraki', 'state.json')
    // Another address than the one that the hash would give.
    writeFileSync(state, JSON.stringify({ version: 1, vips: { 'a.example': { address: '127.240.9.9' } } }))
    write('0.yaml', serviceEntry({ host: 'another.example' }))
    await start()
    assert.ok((await listenersOf(connect())).includes('127.240.9.9_20880'))
    assert.match(readFileSync(state, 'utf8'), /another\.example/)
  })

  test('serves from a folder that it can’t write to', async () => {
    write('a.yaml', serviceEntry({ host: 'a.example' }))
    chmodSync(folder, 0o500)
    await start()
    const client = connect()
    client.subscribe(typeUrls.listener, '*')
    await client.until(() => client.names(typeUrls.listener).length === 1)
  })

  test('a provider’s proxy gets an inbound listener when an endpoint at its address appears', async () => {
    write('se.yaml', serviceEntry({ host: 'a.example', spec: ['workloadSelector: {labels: {app: a}}'] }))
    await start()
    const client = connect({ ip: '127.0.3.3' })
    client.subscribe(typeUrls.listener, '*')
    await client.until(() => client.names(typeUrls.listener).length === 1)
    write(
      'we.yaml',
      '{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: w}, spec: {address: 127.0.3.3, labels: {app: a}}}',
    )
    await client.until(() => client.names(typeUrls.listener).length === 2)
    const any = client.get(typeUrls.listener, 'inbound_127.0.3.3_20880')
    assert.ok(any !== undefined && fromBinary(ListenerSchema, any.value).filterChains.length === 1)
    rmSync(join(folder, 'we.yaml'))
    await client.until(() => client.names(typeUrls.listener).length === 1)
  })

  test('the admin pages say what there is, who is connected, and what a node gets', async () => {
    write('all.yaml', seed.service + seed.split + seed.versions + seed.workloads)
    await start()
    const client = connect({ ip: '127.0.4.4', locality: { region: 'gz', zone: '1' } })
    client.subscribe(typeUrls.cluster, '*')
    await client.until(() => client.names(typeUrls.cluster).length === 3)
    assert.deepEqual(await admin('/ready'), { status: 200, text: 'LIVE\n' })
    const [service] = JSON.parse((await admin('/services')).text) as Record<string, unknown>[]
    assert.equal(service?.['host'], host)
    assert.deepEqual(service['rules'], ['VirtualService default/test-dubbo-route', 'DestinationRule default/versions'])
    assert.equal((service['addresses'] as { address: string }[])[0]?.address, '193.193.192.192')
    await client.poll(async () => /"ackedVersion"/.test((await admin('/clients')).text))
    const dump = JSON.parse((await admin(`/config_dump?node=${encodeURIComponent(client.nodeId)}`)).text) as {
      node: { locality: unknown }
      routes: { name: string }[]
      listener: { resource: { filter_chains: { filters: { typed_config: { stat_prefix: string } }[] }[] } }[]
    }
    assert.deepEqual(dump.node.locality, { region: 'gz', zone: '1' })
    assert.deepEqual(
      dump.routes.map(({ name }) => name),
      [`${host}_20880`],
    )
    assert.equal(
      dump.listener[0]?.resource.filter_chains[0]?.filters[0]?.typed_config.stat_prefix,
      `outbound|20880||${host}`,
    )
    assert.equal((await admin('/config_dump')).status, 400)
    assert.equal((await admin('/nothing')).status, 404)
    assert.equal((await admin('//')).status, 404)
    assert.match((await admin('/stats')).text, /^pilot_services: 1$/m)
    assert.match((await admin('/stats/prometheus')).text, /^pilot_xds_pushes\{type="cds"\} 1$/m)
    assert.match((await admin('/')).text, /\/config_dump/)
  })
})

test('a folder that is not there, and a port that is taken, are errors that say so', async () => {
  const options = { configDir: '/nonexistent/config', xds: loopback }
  await assert.rejects(startControlPlane(options), { code: 'SOURCE_UNREADABLE' })
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-control-'))
  const control = await startControlPlane({ configDir: folder, xds: loopback, admin: loopback })
  const port = Number(control.xdsAddress.split(':')[1])
  await assert.rejects(startControlPlane({ configDir: folder, xds: { host: '127.0.0.1', port } }), {
    code: 'XDS_LISTEN',
  })
  const adminPort = Number(control.adminAddress?.split(':')[1])
  await assert.rejects(
    startControlPlane({ configDir: folder, xds: loopback, admin: { host: '127.0.0.1', port: adminPort } }),
    { code: 'ADMIN_LISTEN' },
  )
  await control.close()
  rmSync(folder, { recursive: true })
})
