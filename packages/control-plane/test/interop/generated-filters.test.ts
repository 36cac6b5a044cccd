/**
 * Real Envoy takes every filter that is generated, of all examples and of random meshes. Its official build lacks the C++
 * MetaProtocol Proxy and the filters for Kafka, MySQL and PostgreSQL: those are checked with schemas, in
 * packages/protocols/test, and left out here by name.
 */
import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadPath, loadValue } from '@aeraki/api'
import { needPeer, validateWithEnvoy } from '@aeraki/testing'
import { array, constantFrom, integer, option, record, sample, string } from 'fast-check'
import { type GeneratedChain, generatedChains } from '../support/generated-chains.ts'

const envoy = needPeer('envoy')
const options = { skip: envoy.skip }
const examples = fileURLToPath(new URL('../../../../examples', import.meta.url))

const notInOfficialBuild = /^envoy\.filters\.network\.(meta_protocol_proxy|kafka_broker|mysql_proxy|postgres_proxy)$/

function isOfficial({ filters }: GeneratedChain): boolean {
  return !filters.some(({ name }) => notInOfficialBuild.test(name))
}

test('of every example', options, () => {
  const folders = globSync('*/', { cwd: examples }).toSorted()
  assert.ok(folders.length >= 5, folders.join())
  for (const folder of folders) {
    const { chains, clusters } = generatedChains(loadPath(join(examples, folder)))
    const official = chains.filter(isOfficial)
    assert.ok(official.length > 0, `${folder} generates nothing that could be checked`)
    const wrong = validateWithEnvoy(envoy.path, {
      chains: official.map(({ filters }) => filters),
      clusters: [...clusters, 'tcp'],
    })
    assert.equal(wrong, undefined, folder)
  }
})

const protocols = ['dubbo', 'thrift', 'redis', 'zookeeper', 'mongo'] as const

const value = constantFrom('', 'x', 'sayHello', 'a.b', 'grün', '"quoted"')
const matcher = record({ form: constantFrom('exact', 'prefix', 'regex'), value }).map(({ form, value: text }) => ({
  [form]: form === 'regex' ? `${RegExp.escape(text)}.*` : text,
}))
const attribute = constantFrom('interface', 'group', 'version', 'service', 'batchJob', 'x-user')
const httpMatch = record({
  method: option(matcher, { nil: undefined }),
  headers: option(record({ name: attribute, matcher }), { nil: undefined }),
  without: option(record({ name: attribute, matcher }), { nil: undefined }),
}).map(({ method, headers, without }) => ({
  ...(method === undefined ? {} : { method }),
  ...(headers === undefined ? {} : { headers: { [headers.name]: headers.matcher } }),
  ...(without === undefined ? {} : { withoutHeaders: { [without.name]: without.matcher } }),
}))
const httpRoute = record({
  match: array(httpMatch, { maxLength: 2 }),
  weights: array(integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 3 }),
  mirror: option(integer({ min: 0, max: 2 }), { nil: undefined }),
})

interface RandomService {
  readonly protocol: (typeof protocols)[number]
  readonly address: string
  readonly targetPort: number | undefined
  readonly routes: readonly { match: object[]; weights: number[]; mirror: number | undefined }[]
  readonly policy: string | undefined
}

const service = record({
  protocol: constantFrom(...protocols),
  address: constantFrom('v4', 'v6'),
  targetPort: option(integer({ min: 1, max: 65_535 }), { nil: undefined }),
  routes: array(httpRoute, { maxLength: 3 }),
  policy: option(string({ minLength: 1, maxLength: 6, unit: 'grapheme-ascii' }), { nil: undefined }),
})

function documentsOf({ protocol, address, targetPort, routes, policy }: RandomService, index: number): object[] {
  const host = `${protocol}-${index}.shop.svc.cluster.local`
  const metadata = { name: `svc-${index}`, namespace: `ns-${index}` }
  const port = {
    number: 1000 + index,
    name: `tcp-${protocol}`,
    protocol: 'TCP',
    ...(targetPort === undefined ? {} : { targetPort }),
  }
  const destination = (subset: number) => ({ host, ...(subset === 0 ? {} : { subset: `v${subset}` }) })
  const documents: object[] = [
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: { ...metadata, annotations: { interface: 'org.example.Demo' } },
      spec: {
        hosts: [host],
        addresses: [
          address === 'v4' ? `10.0.${Math.floor(index / 250)}.${index % 250}` : `2001:db8::${index.toString(16)}`,
        ],
        ports: [port],
        resolution: 'STATIC',
        workloadSelector: { labels: { app: `svc-${index}` } },
      },
    },
  ]
  if (routes.length > 0) {
    documents.push({
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata,
      spec: {
        hosts: [host],
        http: routes.map(({ match, weights, mirror }) => ({
          match,
          route: weights.map((weight, subset) => ({
            destination: destination(subset),
            weight: Math.max(weight, subset === 0 ? 1 : 0),
          })),
          ...(mirror === undefined ? {} : { mirror: destination(mirror) }),
        })),
      },
    })
  }
  if (policy !== undefined && protocol === 'dubbo') {
    documents.push({
      apiVersion: 'dubbo.aeraki.io/v1alpha1',
      kind: 'DubboAuthorizationPolicy',
      metadata,
      spec: {
        rules: [{ from: [{ source: { principals: [policy, `${policy}*`, `*${policy}`], namespaces: [policy] } }] }],
      },
    })
  }
  return documents
}

test('of random meshes', options, () => {
  const services = sample(service, { numRuns: 250, seed: 7 })
  const loaded = services.flatMap(documentsOf).map((document) => loadValue(document, 'test'))
  const { chains, clusters } = generatedChains({
    objects: loaded.flatMap(({ objects }) => objects),
    diagnostics: loaded.flatMap(({ diagnostics }) => diagnostics),
  })
  // Every service has a client's chain and a workload's.
  assert.ok(chains.length >= 1.5 * services.length, `${chains.length} chains`)
  for (const protocol of protocols) {
    assert.ok(
      chains.some(({ filters }) => filters.some(({ name }) => name.includes(protocol))),
      protocol,
    )
  }
  const wrong = validateWithEnvoy(envoy.path, {
    chains: chains.map(({ filters }) => filters),
    clusters: [...clusters, 'tcp'],
  })
  assert.equal(wrong, undefined)
})
