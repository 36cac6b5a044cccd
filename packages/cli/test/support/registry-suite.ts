/**
 * What every registry has to prove, with real Apache Dubbo providers that register themselves in the real registry, and a
 * consumer that knows nothing but the interface: from the first call to the end of the last provider.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  callableAddress,
  type DubboCall,
  type DubboConsumer,
  type DubboProvider,
  freePort,
  needPeer,
  type RegisterMode,
  startDubboConsumer,
  startDubboProvider,
} from '@aeraki/testing'
import { type Mesh, startMesh } from './mesh.ts'

export interface RegistryUnderTest {
  readonly name: string
  /** Why it can't be run here, or false. */
  readonly skip: string | false
  /** Not started yet. */
  create(): Promise<RegistryServer>
  /**
   * For how long a host without providers is kept, in seconds; default 2. It has to be longer than a busy machine keeps the
   * only provider from renewing its lease: else the host goes, its listener with it, and Dubbo's consumer looks for it again
   * once a minute only.
   */
  readonly grace?: number
  /** How the three providers register; default interface, instance and all. */
  readonly modes?: readonly [RegisterMode, RegisterMode, RegisterMode]
}

export interface RegistryServer {
  /** Its entry of `registries:`. */
  readonly settings: object
  /** As Dubbo's providers are told where it is, such as `zookeeper://127.0.0.1:2181`. */
  readonly url: string
  /** For a registry that Dubbo does not know: registers a provider of `host` that listens on 127.0.0.1 alone. */
  register?(provider: StandInRegistration): Promise<{ stop(): Promise<void> }>
  /** Again after `stop`: then with the data that it had. */
  start(): Promise<void>
  /** Ends it at once. */
  stop(): Promise<void>
  close(): Promise<void>
}

export interface StandInRegistration {
  readonly host: string
  readonly port: number
  readonly parameters: Readonly<Record<string, string>>
}

const host = 'org.apache.dubbo.samples.basic.api.demoservice'
/** How long the registry is away. */
const outageSeconds = Number(process.env['AERAKI_OUTAGE_SECONDS'] ?? 5)
/** After a long absence registrants are slow to try again, and all may be missing for a while: what the graces are for. */
const longGraces = { grace: '30s', massGrace: '45s' }

interface Provided {
  readonly name: string
  readonly mode: RegisterMode
  readonly version: string
  readonly group: string
  readonly locality: string
}

export function registrySuite(registry: RegistryUnderTest): void {
  const java = needPeer('dubbo-java')
  const skip = registry.skip === false ? java.skip : registry.skip
  const [first, second, third] = registry.modes ?? (['interface', 'instance', 'all'] as const)
  const a: Provided = { name: 'a', mode: first, version: 'v1', group: 'user', locality: 'bj/1' }
  const b: Provided = { name: 'b', mode: second, version: 'v1', group: 'user', locality: 'sh/1' }
  const c: Provided = { name: 'c', mode: third, version: 'v2', group: 'batchjob', locality: 'sh/1' }
  const d: Provided = { ...c, name: 'd', mode: second }

  describe(`Dubbo providers in ${registry.name}`, { skip }, () => {
    let server: RegistryServer
    /** The service's; nobody else may listen there, as Dubbo does on 20880 for its own purposes. */
    let port: number
    let mesh: Mesh
    let consumer: DubboConsumer | undefined
    const running = new Map<string, DubboProvider>()

    before(async () => {
      port = await freePort()
      server = await registry.create()
      await server.start()
      const short = `${registry.grace ?? 2}s`
      const graces = outageSeconds > 10 ? longGraces : { grace: short, massGrace: short }
      mesh = await startMesh({ ...graces, ports: { dubbo: { number: port } }, registries: [server.settings] }, 'bj/1')
    })
    after(async () => {
      await consumer?.stop()
      for (const provider of running.values()) await provider.kill()
      await mesh?.close()
      await server?.close()
    })

    async function provide({ name, mode, version, group, locality }: Provided): Promise<void> {
      const parameters = {
        service_group: group,
        aeraki_meta_app_version: version,
        aeraki_meta_locality: locality,
      }
      if (server.register !== undefined) {
        const provider = await startDubboProvider('java', { port: await freePort(), name })
        const { port: providerPort } = provider
        const registration = await server.register({ host, port: providerPort, parameters })
        const end = async (how: 'stop' | 'kill'): Promise<void> => {
          await Promise.all([registration.stop(), provider[how]()])
        }
        running.set(name, { port: providerPort, stop: () => end('stop'), kill: () => end('kill') })
        return
      }
      const provider = await startDubboProvider('java', {
        port: await freePort(),
        name,
        registry: server.url,
        registerMode: mode,
        application: `provider-${name}`,
        parameters,
      })
      running.set(name, provider)
    }

    async function untilInMesh(...providers: readonly Provided[]): Promise<void> {
      const ports = providers.map(({ name }) => running.get(name)?.port ?? 0).toSorted((x, y) => x - y)
      await mesh.until(host, `${host} has ${providers.map(({ name }) => name).join(', ')}`, (service) => {
        const found = (service?.endpoints ?? []).map((endpoint) => endpoint.ports[port] ?? 0)
        return ports.join() === found.toSorted((x, y) => x - y).join()
      })
      await mesh.untilProxyHas(`outbound|${port}||${host}`, providers.length)
    }

    async function call(count: number, attachments: Readonly<Record<string, string>> = {}): Promise<DubboCall[]> {
      assert.ok(consumer)
      const calls = await consumer.call('sayHello', { count, threads: 4, attachments })
      const failed = calls.find(({ error }) => error !== undefined)
      if (failed !== undefined) assert.fail(`${failed.type}: ${failed.error}\n${mesh.said()}`)
      return calls
    }

    test('are in the mesh when they start, for a consumer that knows only the interface', async () => {
      await provide(a)
      await untilInMesh(a)
      const service = await mesh.service(host)
      const address = service?.addresses[0]?.address
      assert.ok(address !== undefined)
      assert.equal(service?.endpoints[0]?.address, server.register === undefined ? callableAddress() : '127.0.0.1')
      consumer = await startDubboConsumer('java', { address: `${host}:${port}`, hosts: { [host]: address } })
      assert.deepEqual(answers(await call(50)), { a: 50 })
    })

    test('of a second version get their share by a subset on a provider parameter', async () => {
      await Promise.all([provide(b), provide(c)])
      await untilInMesh(a, b, c)
      mesh.rule('split.yaml', subsets('version', ['v1', 'v2']) + routes(weighted({ v1: 50, v2: 50 })))
      await mesh.untilProxyHas(`outbound|${port}|v2|${host}`, 1)
      await untilCalls('v2 gets calls', ({ c: ofV2 = 0 }) => ofV2 > 0)
      const { a: ofA = 0, b: ofB = 0, c: ofC = 0 } = answers(await call(400))
      assert.ok(ofC > 100 && ofC < 300, `v2 answered ${ofC} of 400`)
      assert.ok(ofA > 0 && ofB > 0, 'both instances of v1 answer')
    })

    test('are kept apart for batch jobs and users by a parameter alone', async () => {
      const batch = match('batchJob', 'true', 'batchjob')
      mesh.rule('split.yaml', subsets('service_group', ['batchjob', 'user']) + routes(batch + weighted({ user: 100 })))
      await mesh.untilProxyHas(`outbound|${port}|user|${host}`, 2)
      await untilCalls('users are kept away from c', (counts) => counts['c'] === undefined)
      assert.deepEqual(answers(await call(50, { batchJob: 'true' })), { c: 50 })
      assert.deepEqual(Object.keys(answers(await call(50, { batchJob: 'false' }))).toSorted(), ['a', 'b'])
    })

    test("serve the consumer's own locality first, by a parameter alone", async () => {
      mesh.rule('split.yaml', locality)
      await untilCalls('all calls stay in bj', (counts) => Object.keys(counts).join() === 'a')
      assert.deepEqual(answers(await call(100)), { a: 100 })
    })

    test('that die are replaced by the others', async () => {
      await running.get('a')?.kill()
      running.delete('a')
      await untilInMesh(b, c)
      assert.deepEqual(Object.keys(answers(await call(100))).toSorted(), ['b', 'c'])
    })

    test('lose not one call while the registry is away', async () => {
      mesh.rule('split.yaml', undefined)
      await untilInMesh(b, c)
      await server.stop()
      await untilRegistry('is stale', ({ stale }) => stale)
      const end = Date.now() + outageSeconds * 1000
      let calls = 0
      while (Date.now() < end) {
        const counts = answers(await call(200))
        assert.deepEqual(Object.keys(counts).toSorted(), ['b', 'c'])
        calls += 200
      }
      await server.start()
      await untilRegistry('is read again', ({ stale, connection }) => !stale && connection.kind === 'connected')
      answers(await call(200))
      await untilInMesh(b, c)
      assert.ok(calls > 0)
    })

    test('that changed while the registry was away are what the mesh has afterwards', async () => {
      await server.stop()
      await running.get('b')?.kill()
      running.delete('b')
      await server.start()
      await provide(d)
      await untilInMesh(c, d)
      assert.deepEqual(Object.keys(answers(await call(100))).toSorted(), ['c', 'd'])
    })

    test('that are all gone are forgotten when the grace is over', async () => {
      for (const name of ['c', 'd']) await running.get(name)?.stop()
      running.clear()
      await mesh.until(host, 'the host is gone', (service) => service === undefined)
    })

    async function untilCalls(what: string, condition: (counts: Record<string, number>) => boolean): Promise<void> {
      for (let attempt = 0; attempt < 100; attempt++) {
        if (condition(answers(await call(20)))) return
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      assert.fail(`it never came that ${what}`)
    }

    async function untilRegistry(what: string, condition: (registry: RegistryPage) => boolean): Promise<void> {
      await mesh.until(host, `the registry ${what}`, () => true)
      for (let attempt = 0; attempt < 600; attempt++) {
        const [page] = (await mesh.page<{ registries: RegistryPage[] }>('/registries')).registries
        if (page !== undefined && condition(page)) return
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      assert.fail(`it never came that the registry ${what}`)
    }
  })
}

interface RegistryPage {
  readonly stale: boolean
  readonly connection: { readonly kind: string }
}

/** How many answers came from each provider; fails when one is not an answer. */
function answers(calls: readonly DubboCall[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const each of calls) {
    const [, provider] = /^Hello world, response from (\w+)$/.exec(String(each.value)) ?? []
    assert.ok(provider !== undefined, JSON.stringify(each).slice(0, 500))
    counts[provider] = (counts[provider] ?? 0) + 1
  }
  return counts
}

function subsets(label: string, values: readonly string[]): string {
  return [
    'apiVersion: networking.istio.io/v1',
    'kind: DestinationRule',
    'metadata: {name: subsets, namespace: default}',
    'spec:',
    `  host: ${host}`,
    '  subsets:',
    ...values.map((value) => `  - {name: ${value}, labels: {${label}: ${value}}}`),
    '---',
    '',
  ].join('\n')
}

function routes(list: string): string {
  return [
    'apiVersion: networking.istio.io/v1',
    'kind: VirtualService',
    'metadata: {name: routes, namespace: default}',
    'spec:',
    `  hosts: [${host}]`,
    '  http:',
    list,
  ].join('\n')
}

function weighted(weights: Readonly<Record<string, number>>): string {
  const destinations = Object.entries(weights).map(
    ([subset, weight]) => `{destination: {host: ${host}, subset: ${subset}}, weight: ${weight}}`,
  )
  return `  - route: [${destinations.join(', ')}]\n`
}

function match(header: string, value: string, subset: string): string {
  return `  - match: [{headers: {${header}: {exact: "${value}"}}}]\n    route: [{destination: {host: ${host}, subset: ${subset}}}]\n`
}

const locality = [
  'apiVersion: networking.istio.io/v1',
  'kind: DestinationRule',
  'metadata: {name: subsets, namespace: default}',
  'spec:',
  `  host: ${host}`,
  '  trafficPolicy:',
  '    loadBalancer: {localityLbSetting: {enabled: true}}',
  '    outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 30s}',
  '',
].join('\n')
