/** Configuration from and to a real istiod. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { loadResources } from '@aeraki/api'
import { type Istiod, type IstiodOptions, needPeer, startIstiod } from '@aeraki/testing'
import { type ClientState, createAdsClient, createAdsServer, StaticProvider } from '@aeraki/xds'
import { isMcpKind } from '../../src/mcp/collections.ts'
import type { McpObject } from '../../src/mcp/objects.ts'
import { createMcpOutput, withMcp } from '../../src/outputs/mcp.ts'
import { createMcpSource, type McpSourceOptions, podNode } from '../../src/sources/mcp.ts'
import type { OriginUpdate } from '../../src/sources/source.ts'

const { skip } = needPeer('istio')

function folderOf(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-mcp-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

async function startedIstiod(t: TestContext, options: IstiodOptions): Promise<Istiod> {
  const istiod = await startIstiod(options)
  t.after(() => istiod.stop())
  return istiod
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const service = (host: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: orders, namespace: shop, annotations: { interface: com.acme.Orders } }
spec:
  hosts: [${host}]
  addresses: [127.240.7.7]
  ports: [{ number: 20880, name: tcp-dubbo, protocol: TCP }]
  resolution: STATIC
  location: MESH_INTERNAL
  endpoints: [{ address: 127.0.0.1, labels: { version: v1 } }]
`

const rules = `
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: { name: orders, namespace: shop }
spec:
  host: com.acme.orders
  trafficPolicy: { outlierDetection: { interval: 5s, baseEjectionTime: 1m, consecutive5xxErrors: 3 } }
  subsets: [{ name: v1, labels: { version: v1 } }]
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: { name: orders, namespace: shop }
spec:
  hosts: [com.acme.orders]
  http: [{ route: [{ destination: { host: com.acme.orders, subset: v1 } }] }]
`

async function follow(t: TestContext, options: McpSourceOptions) {
  const updates: OriginUpdate[] = []
  const source = createMcpSource({ backoff: { baseMs: 20, maxMs: 100 }, ...options })
  t.after(() => source.close())
  await source.start((batch) => void updates.push(...batch))
  return updates
}

async function refusal(target: string, tls: McpSourceOptions['tls']): Promise<ClientState> {
  const states: ClientState[] = []
  const client = createAdsClient({
    target,
    node: podNode({}),
    variant: 'state-of-the-world',
    backoff: { baseMs: 20, maxMs: 100 },
    handler: { onUpdate: async () => {}, onState: (state) => void states.push(state) },
    ...(tls === undefined ? {} : { tls }),
  })
  client.subscribe('networking.istio.io/v1/ServiceEntry', '*')
  await until('a refusal', () => states.some(({ kind }) => kind === 'waiting'))
  await client.close()
  return states.find(({ kind }) => kind === 'waiting') as ClientState
}

function objectsOf(yaml: string): McpObject[] {
  return loadResources(yaml, 'test.yaml').objects.flatMap(({ kind, metadata, spec }) =>
    isMcpKind(kind) ? [{ kind, metadata, spec }] : [],
  )
}

function kindsIn(updates: readonly OriginUpdate[]): string[] {
  return updates.flatMap(({ objects }) => objects.map(({ kind }) => kind)).toSorted()
}

describe('istiod as a source', { skip }, () => {
  const open = { ENABLE_XDS_API_GENERATOR_AUTH: 'false' }

  test('its configuration comes, changes and goes', { timeout: 60_000 }, async (t) => {
    const folder = folderOf(t, { 'service.yaml': service('com.acme.orders'), 'rules.yaml': rules })
    const istiod = await startedIstiod(t, { configSources: [`fs://${folder}`], env: open })
    const updates = await follow(t, { target: `127.0.0.1:${istiod.grpcPort}` })
    assert.deepEqual(
      updates.flatMap(({ diagnostics }) => diagnostics),
      [],
    )
    assert.deepEqual(kindsIn(updates), ['DestinationRule', 'ServiceEntry', 'VirtualService'])
    const [entry] = updates.flatMap(({ objects }) => objects.filter(({ kind }) => kind === 'ServiceEntry'))
    assert.equal(entry?.metadata.annotations['interface'], 'com.acme.Orders')

    writeFileSync(join(folder, 'service.yaml'), service('com.acme.renamed'))
    await until('the changed ServiceEntry', () =>
      updates.some(({ objects }) => objects.some((each) => JSON.stringify(each.spec).includes('com.acme.renamed'))),
    )
    rmSync(join(folder, 'rules.yaml'))
    await until('the rules to go', () => updates.filter(({ state }) => state === 'removed').length === 2)
  })

  test('it serves those alone that prove to be of its root namespace', { timeout: 60_000 }, async (t) => {
    const folder = folderOf(t, { 'service.yaml': service('com.acme.orders') })
    const istiod = await startedIstiod(t, { configSources: [`fs://${folder}`] })
    const serverName = 'istiod.istio-system.svc'

    const plain = await refusal(`127.0.0.1:${istiod.grpcPort}`, undefined)
    assert.equal(plain.kind === 'waiting' && plain.status, 'unauthenticated')
    const elsewhere = { ...istiod.certificateFor('shop', 'aeraki'), serverName }
    const foreign = await refusal(`127.0.0.1:${istiod.tlsPort}`, elsewhere)
    assert.equal(foreign.kind === 'waiting' && foreign.status, 'permission_denied')
    const own = { ...istiod.certificateFor('istio-system', 'aeraki'), serverName }
    assert.deepEqual(kindsIn(await follow(t, { target: `127.0.0.1:${istiod.tlsPort}`, tls: own })), ['ServiceEntry'])
  })
})

describe('istiod as a client', { skip }, () => {
  test('it becomes ready on us alone, and follows what is served', { timeout: 60_000 }, async (t) => {
    const output = createMcpOutput()
    const server = await createAdsServer({
      provider: withMcp(new StaticProvider(), output, () =>
        output.publish({ put: objectsOf(`${service('com.acme.orders')}---${rules}`), removed: [] }),
      ),
      listen: { host: '127.0.0.1', port: 0 },
    })
    t.after(() => server.close())
    const empty = folderOf(t, {})
    const istiod = await startedIstiod(t, {
      configSources: [`fs://${empty}`, `xds://127.0.0.1:${server.address.port}`],
    })
    const known = async (): Promise<string> => await istiod.debug('/debug/configz')
    await until('istiod to know the service', async () => (await known()).includes('com.acme.orders'))
    assert.match(await known(), /"baseEjectionTime":\s*"60s"/)

    output.publish({ put: objectsOf(service('com.acme.renamed')), removed: [] })
    await until('istiod to know the change', async () => (await known()).includes('com.acme.renamed'))
    output.publish({ put: [], removed: objectsOf(service('com.acme.renamed')) })
    await until('istiod to forget it', async () => !(await known()).includes('com.acme.renamed'))
    assert.match(await known(), /com\.acme\.orders/, 'the rules stay')
  })
})
