/** Ports of services as the control plane would give them to a translation, and what was reported of them. */
import { expandHost, type Kind, type LoadedObject, type ObjectOf } from '@aeraki/api'
import type { EnvoyFinding, EnvoyPort, EnvoyRoute, ObjectRef } from '../../src/envoy/contract.ts'

export interface TestPort extends EnvoyPort {
  readonly findings: readonly { readonly about: ObjectRef; readonly finding: EnvoyFinding }[]
}

export interface TestPortOptions extends Partial<Omit<EnvoyPort, 'policies' | 'secret' | 'report'>> {
  readonly objects?: readonly LoadedObject[]
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Names of secrets that are there no more. */
  readonly gone?: readonly string[]
}

export function testPort({ objects = [], secrets = {}, gone = [], ...fields }: TestPortOptions = {}): TestPort {
  const findings: { about: ObjectRef; finding: EnvoyFinding }[] = []
  const host = fields.host ?? 'demo.shop.svc.cluster.local'
  const number = fields.number ?? 20880
  const targetPort = fields.targetPort ?? number
  const direction = fields.direction ?? 'outbound'
  return {
    direction,
    namespace: 'shop',
    host,
    number,
    targetPort,
    cluster: direction === 'outbound' ? `outbound|${number}||${host}` : `inbound|${targetPort}||`,
    entry: { kind: 'ServiceEntry', namespace: 'shop', name: 'demo' },
    annotations: {},
    application: undefined,
    routes: undefined,
    router: undefined,
    idleTimeoutMs: undefined,
    upstream: { hasLoadBalancer: false, tls: undefined, endpoints: [] },
    policies: <K extends Kind>(kind: K): readonly ObjectOf<K>[] =>
      objects.filter((object): object is LoadedObject & ObjectOf<K> => object.kind === kind),
    fullName: (of) => expandHost(of, 'shop'),
    resolve: ({ host: to, port = number, subset = '' }) => `outbound|${port}|${subset}|${to}`,
    secret(name) {
      const entries = secrets[name]
      return entries === undefined ? undefined : { entries, isGone: gone.includes(name) }
    },
    ...fields,
    report(about, finding) {
      findings.push({ about, finding })
    },
    findings,
  }
}

export function testRoute(fields: Partial<EnvoyRoute> = {}): EnvoyRoute {
  return {
    origin: { kind: 'VirtualService', namespace: 'shop', name: 'routes' },
    name: 'route',
    match: [],
    clusters: [{ cluster: 'outbound|20880||demo.shop.svc.cluster.local', weight: 1 }],
    mirrors: [],
    timeoutMs: undefined,
    requestMutation: [],
    responseMutation: [],
    hashAttributes: [],
    ...fields,
  }
}
