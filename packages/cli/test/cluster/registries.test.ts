/**
 * Services of a real registry in a real cluster, by the commands and with the rights that the chart gives them: in the
 * control plane, and by a bridge of its own.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, afterEach, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Cluster,
  needPeer,
  type Relay,
  startCluster,
  startRelay,
  type TestUser,
  zookeeperCli,
  type ZookeeperServer,
  zookeeperServer,
} from '@aeraki/testing'
import { loadChart, printManifests } from '../../src/install/chart.ts'
import { at, container } from '../manifest-path.ts'
import { COMMAND } from '../run-command.ts'

const kubernetes = needPeer('kubernetes')
const skip = [kubernetes, needPeer('zookeeper'), needPeer('java')].find((peer) => peer.skip !== false)?.skip ?? false

const host = 'org.demo.api'
const entry = 'aeraki-org-demo-api'

/** As Dubbo writes a provider. */
function providerNode(address: string): string {
  return `/dubbo/org.demo.Api/providers/${encodeURIComponent(`dubbo://${address}/org.demo.Api?interface=org.demo.Api&side=provider`)}`
}

interface Service {
  readonly host: string
  readonly addresses: readonly { readonly address: string }[]
  readonly endpoints: readonly { readonly address: string }[]
}

interface Running {
  readonly child: ChildProcess
  page<T>(path: string): Promise<T>
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries++) {
    assert.ok(tries < 150, `not in time: ${what}`)
    await sleep(200)
  }
}

describe('services of a registry in a cluster', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-registries-'))
  const file = join(folder, 'registries.yaml')
  const running: Running[] = []
  let cluster: Cluster
  let relay: Relay
  let registry: ZookeeperServer

  before(async () => {
    registry = await zookeeperServer()
    await Promise.all([registry.start(), startCluster().then((started) => (cluster = started))])
    relay = await startRelay(cluster.port)
    const namespaces = ['istio-system', 'shop'].map(
      (name) => `{apiVersion: v1, kind: Namespace, metadata: {name: ${name}}}`,
    )
    cluster.apply([...namespaces, readFileSync(join(kubernetes.path, 'istio-crds.yaml'), 'utf8')].join('\n---\n'))
    cluster.apply(printManifests(chart(true), 'yaml'))
    cluster.kubectl(['wait', '--for=condition=Established', '--timeout=60s', 'crd', '--all'])
    await zookeeperCli(registry.port, [
      ...['/dubbo', '/dubbo/org.demo.Api', '/dubbo/org.demo.Api/providers'].map((path) => `create ${path}`),
      `create ${providerNode('10.1.0.1:20881')}`,
    ])
  })
  afterEach(async () => {
    for (const { child } of running.splice(0)) await end(child)
  })
  after(async () => {
    await relay?.close()
    await registry?.close()
    await cluster?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  function chart(inControlPlane: boolean) {
    const config = readConfig()
    const registryValues = { enabled: true, inControlPlane, config }
    return loadChart([{ name: 'v', text: JSON.stringify({ registry: registryValues }) }]).render('istio-system')
  }

  function readConfig(): string {
    const config = `
namespace: shop
grace: 1s
massGrace: 1s
registries: [{type: zookeeper, servers: ["127.0.0.1:${registry.port}"]}]
outputs: {kubernetes: {kubeconfig: "\${TEST_KUBECONFIG}", namespace: istio-system}}
`
    writeFileSync(file, config.replace(/outputs: .*\n/, ''))
    writeFileSync(join(folder, 'bridge.yaml'), config)
    return config
  }

  /** As the chart starts it, but for ports and places. */
  async function start(name: 'aeraki' | 'aeraki-registry', port = cluster.port): Promise<Running> {
    const user: TestUser = name
    const kubeconfig = cluster.configFor(user, port)
    const inControlPlane = name === 'aeraki'
    const args = (at(chart(inControlPlane), 'Deployment', name, `${container}.args`) as string[]).map((word) =>
      word
        .replace(/^(--(?:xds|admin))=.*/, '$1=127.0.0.1:0')
        .replace('/etc/aeraki/registries/registries.yaml', inControlPlane ? file : join(folder, 'bridge.yaml')),
    )
    const place = inControlPlane ? ['--kubeconfig', kubeconfig, '--namespace', 'istio-system'] : []
    const child = spawn(process.execPath, [COMMAND, ...args, ...place], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, TEST_KUBECONFIG: kubeconfig },
    })
    let admin: string | undefined
    for await (const line of createInterface({ input: child.stdout })) {
      admin = /^admin (\S+)$/.exec(line)?.[1]
      if (admin !== undefined) break
    }
    assert.ok(admin !== undefined, 'it has ended')
    const started: Running = {
      child,
      page: async <T>(path: string) => (await (await fetch(`http://${admin}${path}`)).json()) as T,
    }
    running.push(started)
    return started
  }

  async function serviceOf(of: Running): Promise<Service | undefined> {
    return (await of.page<readonly Service[]>('/services')).find((each) => each.host === host)
  }

  async function endpointsOf(of: Running): Promise<string> {
    return (await serviceOf(of))?.endpoints.map(({ address }) => address).join() ?? ''
  }

  const get = (path: string): string => {
    const { status, output } = cluster.tryKubectl([
      'get',
      'serviceentry',
      entry,
      '-n',
      'shop',
      '-o',
      `jsonpath=${path}`,
    ])
    return status === 0 ? output : ''
  }
  const written = (): string => get('{.spec.endpoints[*].address}')
  const filters = (): string => cluster.kubectl(['get', 'envoyfilters', '-A', '-o', 'name'])
  const codes = async (of: Running): Promise<string[]> =>
    (await of.page<readonly { readonly code: string }[]>('/diagnostics')).map(({ code }) => code)

  test('are in the mesh of the control plane, and as ServiceEntries with an address in the cluster, each once', async () => {
    const controlPlane = await start('aeraki')
    await until('the entry', () => written() === '10.1.0.1')
    await until('its address', () => get('{.spec.addresses[*]}') !== '')
    const address = get('{.spec.addresses[*]}')
    assert.match(address, /^240\.241\./)
    await until(
      'the address in the mesh',
      async () => (await serviceOf(controlPlane))?.addresses[0]?.address === address,
    )
    await until('the filter', () => filters().includes(`aeraki-outbound-${host}-${address}-`))
    assert.equal(await endpointsOf(controlPlane), '10.1.0.1')
    assert.deepEqual(await codes(controlPlane), [])
    const writes = cluster.writesOf('aeraki').filter(({ resource }) => resource === 'serviceentries')
    assert.deepEqual(
      writes.map(({ verb, code }) => [verb, code]),
      [
        ['patch', 201],
        ['patch', 200],
      ],
      'the entry, and its address',
    )
  })

  test('reach proxies while the API server is away, and the cluster when it is back', async () => {
    const controlPlane = await start('aeraki', relay.port)
    await until('the service', async () => (await serviceOf(controlPlane)) !== undefined)
    await until('the lead', async () => (await controlPlane.page<{ leads: boolean }>('/kubernetes')).leads)
    relay.stall()
    await zookeeperCli(registry.port, [`create ${providerNode('10.1.0.2:20881')}`])
    await until('both endpoints', async () => (await endpointsOf(controlPlane)) === '10.1.0.1,10.1.0.2')
    assert.equal(written(), '10.1.0.1')
    const { addresses } = (await serviceOf(controlPlane)) ?? {}
    assert.equal(addresses?.[0]?.address, get('{.spec.addresses[*]}'))
    relay.heal()
    relay.cut()
    await until('both in the cluster', () => written() === '10.1.0.1 10.1.0.2')
  })

  test('stay as they were last written while the registry is away at the start; nothing is deleted', async () => {
    await registry.stop()
    const controlPlane = await start('aeraki')
    assert.equal(await endpointsOf(controlPlane), '10.1.0.1,10.1.0.2')
    await until('the lead', async () => (await controlPlane.page<{ leads: boolean }>('/kubernetes')).leads)
    await sleep(1000)
    assert.equal(written(), '10.1.0.1 10.1.0.2')
    await registry.start()
    await zookeeperCli(registry.port, [`delete ${providerNode('10.1.0.1:20881')}`])
    await until('the change', async () => (await endpointsOf(controlPlane)) === '10.1.0.2')
    await until('the change in the cluster', () => written() === '10.1.0.2')
  })

  test('are not written by a bridge that lacks the rights, which says so on its pages', async () => {
    const bridge = await start('aeraki-registry')
    await until('it has read', async () => (await bridge.page<{ ready: boolean }>('/registries')).ready)
    const failing = async (): Promise<string[]> => {
      const { followed } = await bridge.page<{ followed: { name: string; kind: string; reason?: string }[] }>(
        '/kubernetes',
      )
      return followed.flatMap(({ name, kind, reason = '' }) =>
        kind === 'failing' && /403.*forbidden/.test(reason) ? [name] : [],
      )
    }
    await until('the reasons', async () => (await failing()).toSorted().join() === 'ServiceEntry,namespaces')
  })

  test('are written by a bridge of its own as well, one of the two at a time, and go after their grace', async () => {
    cluster.apply(printManifests(chart(false), 'yaml'))
    // It keeps the rights that another chart gave it.
    for (const [kind, more] of [
      ['role', ['-n', 'istio-system']],
      ['clusterrole', []],
    ] as const) {
      const whom = [`--${kind}=aeraki-registry`, '--serviceaccount=istio-system:aeraki', ...more]
      cluster.kubectl(['create', `${kind}binding`, 'of-the-control-plane', ...whom])
    }
    const bridge = await start('aeraki-registry')
    await until('it has read', async () => (await bridge.page<{ ready: boolean }>('/registries')).ready)
    const controlPlane = await start('aeraki')
    await until('the service', async () => (await endpointsOf(controlPlane)) === '10.1.0.2')
    await zookeeperCli(registry.port, [`create ${providerNode('10.1.0.3:20881')}`])
    await until('the change', () => written() === '10.1.0.2 10.1.0.3')
    await until('the lease', () => leaseHolder() !== '')
    const page = await bridge.page<{ leads: boolean; leader: string; failures: object }>('/kubernetes')
    assert.deepEqual([page.leads, page.leader, page.failures], [true, leaseHolder(), {}])
    const byBridge = (): number =>
      cluster.writesOf('aeraki-registry').filter(({ resource }) => resource === 'serviceentries').length
    const byControlPlane = (): number =>
      cluster.writesOf('aeraki').filter(({ resource }) => resource === 'serviceentries').length
    const [sofar, beside] = [byBridge(), byControlPlane()]
    assert.ok(sofar > 0)
    await zookeeperCli(
      registry.port,
      ['10.1.0.2', '10.1.0.3'].map((ip) => `delete ${providerNode(`${ip}:20881`)}`),
    )
    await until('its end', () => get('{.metadata.name}') === '')
    await until('its end in the mesh', async () => (await serviceOf(controlPlane)) === undefined)
    await until('the end of its filter', () => !filters().includes(host))
    assert.ok(byBridge() > sofar)
    assert.equal(byControlPlane(), beside)
  })

  function leaseHolder(): string {
    return cluster.kubectl([
      'get',
      'lease',
      'aeraki-registry-leader',
      '-n',
      'istio-system',
      '-o',
      'jsonpath={.spec.holderIdentity}',
    ])
  }
})
