/** A cluster with Istio's and our CRDs, the rights of manifests/rbac.yaml, and control planes that run with them. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Cluster, needPeer, startCluster } from '@aeraki/testing'

const manifests = join(import.meta.dirname, '../../../../manifests')

/** Takes some fifteen seconds. */
export async function startMeshCluster(): Promise<Cluster> {
  const cluster = await startCluster()
  const crds = readdirSync(join(manifests, 'crds')).map((name) => readFileSync(join(manifests, 'crds', name), 'utf8'))
  const istio = readFileSync(join(needPeer('kubernetes').path, 'istio-crds.yaml'), 'utf8')
  const namespaces = ['istio-system', 'shop'].map(
    (name) => `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}}\n`,
  )
  const rbac = readFileSync(join(manifests, 'rbac.yaml'), 'utf8')
  cluster.apply([...namespaces, istio, ...crds, rbac].join('\n---\n'))
  cluster.kubectl(['wait', '--for=condition=Established', '--timeout=60s', 'crd', '--all'])
  return cluster
}

export async function until(what: string, condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 200, `not in time: ${what}`)
    // kubectl runs synchronously: the control plane needs its turn, too.
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

export function serviceEntry(name: string, more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name, namespace: 'shop', annotations: { interface: `${name}.Service` } },
    spec: {
      hosts: [`${name}.example`],
      ports: [{ number: 20880, name: 'tcp-dubbo', protocol: 'TCP' }],
      resolution: 'STATIC',
      endpoints: [{ address: '10.1.0.1' }],
      ...more,
    },
  })
}

export function metaRouter(name: string, method: string): string {
  const destination = { host: `${name}.example` }
  return JSON.stringify({
    apiVersion: 'metaprotocol.aeraki.io/v1alpha1',
    kind: 'MetaRouter',
    metadata: { name, namespace: 'shop', annotations: { interface: `${name}.Service` } },
    spec: {
      hosts: [`${name}.example`],
      routes: [{ match: { attributes: { method: { exact: method } } }, route: [{ destination }] }],
    },
  })
}
