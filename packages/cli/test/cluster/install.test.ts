/** The chart by real Helm, and what is installed by a real API server. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseAllDocuments, parse } from 'yaml'
import { type Cluster, needPeer, startCluster } from '@aeraki/testing'
import { chartFolder, loadChart, type Manifest, printManifests } from '../../src/install/chart.ts'
import { at, container } from '../manifest-path.ts'
import { aeraki, COMMAND } from '../run-command.ts'

const helm = needPeer('helm')
const kubernetes = needPeer('kubernetes')
const folder = mkdtempSync(join(tmpdir(), 'aeraki-helm-test-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const everything = `
webhook: {enabled: true, caBundle: QUJD, annotations: {a.b/c: d}}
redisSecrets: [{namespace: redis, names: [auth]}, {namespace: cache, names: [a, b]}]
gateway: {enabled: true, ports: [{name: tcp-dubbo, port: 20880}], nodeSelector: {disk: ssd}}
registry: {enabled: true, config: 'registries: []', env: [{name: A, secret: s, key: k}], tlsSecrets: [ca, client]}
`
const inControlPlane = everything.replace('registry: {', 'registry: {inControlPlane: true, ')
const cases = {
  defaults: '',
  everything,
  'registries in the control plane': inControlPlane,
  'no disruption budget': 'podDisruptionBudget: {enabled: false}\n',
}

function runHelm(args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(helm.path, args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout
}

function valuesFile(text: string): string {
  const file = join(folder, 'values.yaml')
  writeFileSync(file, text)
  return file
}

function keyOf({ kind, metadata }: Manifest): string {
  const { namespace = '', name } = metadata as { namespace?: string; name: string }
  return `${String(kind)} ${namespace}/${name}`
}

function documents(text: string): Manifest[] {
  return parseAllDocuments(text).flatMap((each) => {
    const value = each.toJS() as Manifest | null
    return value === null ? [] : [value]
  })
}

const byKey = (list: readonly Manifest[]) => Object.fromEntries(list.map((each) => [keyOf(each), each]))

describe('Helm', { skip: helm.skip }, () => {
  for (const [name, text] of Object.entries(cases)) {
    test(`lints the chart, and renders what aeraki install does: ${name}`, () => {
      const values = ['--values', valuesFile(text), '--namespace', 'mesh', '--kube-version', '1.31.0']
      runHelm(['lint', '--strict', chartFolder, ...values])
      const rendered = documents(runHelm(['template', 'aeraki', chartFolder, '--include-crds', ...values]))
      assert.deepEqual(byKey(rendered), byKey(loadChart([{ name: 'v', text }]).render('mesh')))
    })
  }

  test('refuses values that the schema refuses', () => {
    const args = ['template', 'aeraki', chartFolder, '--kube-version', '1.31.0', '--set', 'webhook.enabld=true']
    assert.notEqual(spawnSync(helm.path, args).status, 0)
  })

  test("understands the template for Istio's sidecar injector", () => {
    const file = readFileSync(join(chartFolder, '../../istio/injection-template.yaml'), 'utf8')
    const { aeraki: template } = (parse(file) as { sidecarInjectorWebhook: { templates: { aeraki: string } } })
      .sidecarInjectorWebhook.templates
    const chart = join(folder, 'chart')
    mkdirSync(join(chart, 'templates'), { recursive: true })
    cpSync(join(chartFolder, 'Chart.yaml'), join(chart, 'Chart.yaml'))
    writeFileSync(join(chart, 'pod.tpl'), template)
    writeFileSync(
      join(chart, 'templates/pod.yaml'),
      '{{ tpl (.Files.Get "pod.tpl") (merge .Values (dict "Template" .Template)) }}',
    )
    const pod = 'ObjectMeta: {Labels: {app: web, version: v1}, Annotations: {aeraki.io/proxy-image: mine:1}}\n'
    const args = ['template', 'x', chart, '--values', valuesFile(pod), '--kube-version', '1.31.0']
    const [{ spec } = {}] = documents(runHelm(args))
    const [proxy] = (spec as { containers: { image: string; args: string[] }[] }).containers
    assert.equal(proxy?.image, 'mine:1')
    assert.ok(proxy.args.includes('--labels=app=web,version=v1,'))
    assert.ok(proxy.args.includes('--control-plane=aeraki.istio-system.svc:15010'))
  })
})

function isAllowed(
  cluster: Cluster,
  verb: string,
  resource: string,
  namespace: string,
  name: 'aeraki' | 'aeraki-registry' = 'aeraki',
): boolean {
  const account = `system:serviceaccount:istio-system:${name}`
  return cluster.tryKubectl(['auth', 'can-i', verb, resource, '-n', namespace, '--as', account]).status === 0
}

describe('a cluster', { skip: kubernetes.skip }, () => {
  let cluster: Cluster
  before(async () => {
    cluster = await startCluster()
    const names = ['istio-system', 'redis', 'cache']
    const restricted = 'labels: {pod-security.kubernetes.io/warn: restricted}'
    const namespaces = names.map(
      (name) => `{apiVersion: v1, kind: Namespace, metadata: {name: ${name}, ${restricted}}}`,
    )
    const istio = readFileSync(join(kubernetes.path, 'istio-crds.yaml'), 'utf8')
    cluster.apply([...namespaces, istio].join('\n---\n'))
    cluster.kubectl(['wait', '--for=condition=Established', '--timeout=60s', 'crd', '--all'])
  })
  after(() => cluster.stop())

  test('is given what is installed by the command, object by object, and says what it refuses', async () => {
    const install = (...args: string[]) => aeraki(['install', '--kubeconfig', cluster.adminConfig, ...args])
    const nowhere = await install('--namespace', 'nowhere', '--set', 'podDisruptionBudget.enabled=false')
    assert.equal(nowhere.code, 1)
    assert.match(nowhere.stdout, /^CustomResourceDefinition metarouters.metaprotocol.aeraki.io applied$/m)
    assert.match(nowhere.stderr, /Deployment nowhere\/aeraki: [^]*kubectl create namespace nowhere/)

    for (const replicas of [2, 3]) {
      const { code, stdout, stderr } = await install('--set', `controlPlane.replicas=${replicas}`)
      assert.equal(code, 0, stderr)
      assert.match(stdout, /^Deployment istio-system\/aeraki applied$/m)
      const wanted = ['get', 'deployment', 'aeraki', '-n', 'istio-system', '-o', 'jsonpath={.spec.replicas}']
      assert.equal(cluster.kubectl(wanted), String(replicas))
    }
    // What is there is what is printed.
    const { stdout } = await aeraki(['install', '--dry-run', '--set', 'controlPlane.replicas=3'])
    assert.equal(cluster.tryKubectl(['diff', '--server-side', '--force-conflicts', '-f', '-'], stdout).output, '')

    const other = stdout.replace('replicas: 3', 'replicas: 4')
    cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], other)
    const contested = await install('--set', 'controlPlane.replicas=5')
    assert.equal(contested.code, 1)
    assert.match(contested.stderr, /Deployment istio-system\/aeraki: [^]*409[^]*\.spec\.replicas[^]*--force-conflicts/)
    cluster.kubectl(['delete', '-f', '-'], stdout)
  })

  test('takes what is installed, without a warning, also a second time and with other values', () => {
    for (const values of [everything, everything, inControlPlane, '', everything]) {
      const text = printManifests(loadChart([{ name: 'v', text: values }]).render('istio-system'), 'yaml')
      const { status, output } = cluster.tryKubectl(['apply', '--server-side', '-f', '-'], text)
      assert.equal(status, 0, output)
      // Such as of the pod security standard "restricted".
      assert.doesNotMatch(output, /warning/i)
    }
    assert.match(cluster.kubectl(['get', 'deployments', '-n', 'istio-system', '-o', 'name']), /aeraki-gateway/)
  })

  test('lets the control plane lead, started as the chart starts it', async () => {
    const installed = loadChart([]).render('istio-system')
    const args = (at(installed, 'Deployment', 'aeraki', `${container}.args`) as string[]).map((word) =>
      word.replace(/^(--(?:xds|admin))=.*/, '$1=127.0.0.1:0'),
    )
    // What a pod finds in its volume.
    const place = ['--kubeconfig', cluster.configFor('aeraki'), '--namespace', 'istio-system']
    const child = spawn(process.execPath, [COMMAND, ...args, ...place], { stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      let admin: string | undefined
      for await (const line of createInterface({ input: child.stdout })) {
        admin = /^admin (\S+)$/.exec(line)?.[1]
        if (admin !== undefined) break
      }
      assert.equal((await fetch(`http://${admin}/ready`)).status, 200)
      const leads = async () => ((await (await fetch(`http://${admin}/kubernetes`)).json()) as { leads: boolean }).leads
      while (!(await leads())) await sleep(100)
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })

  test('gives the control plane the passwords of Redis that are named, and nothing more', () => {
    assert.ok(isAllowed(cluster, 'watch', 'secrets/auth', 'redis'))
    for (const [what, namespace] of [
      ['secrets/other', 'redis'],
      ['secrets', 'redis'],
      ['secrets/istio-ca-secret', 'istio-system'],
      ['secrets', 'istio-system'],
    ] as const) {
      assert.ok(!isAllowed(cluster, 'list', what, namespace), what)
      assert.ok(!isAllowed(cluster, 'get', what, namespace), what)
    }
    assert.ok(isAllowed(cluster, 'create', 'envoyfilters.networking.istio.io', 'shop'))
    assert.ok(!isAllowed(cluster, 'create', 'pods', 'istio-system'))
  })

  test('gives the bridge of its own ServiceEntries and its Lease, and nothing more', () => {
    const may = (verb: string, what: string, namespace = 'redis'): boolean =>
      isAllowed(cluster, verb, what, namespace, 'aeraki-registry')
    for (const verb of ['get', 'list', 'watch', 'create', 'patch', 'delete']) {
      assert.ok(may(verb, 'serviceentries.networking.istio.io'), verb)
      assert.ok(!may(verb, 'envoyfilters.networking.istio.io'), verb)
      assert.ok(!may(verb, 'secrets', 'istio-system'), verb)
    }
    assert.ok(may('watch', 'namespaces'))
    assert.ok(may('update', 'leases.coordination.k8s.io/aeraki-registry-leader', 'istio-system'))
    assert.ok(!may('update', 'leases.coordination.k8s.io/aeraki-leader', 'istio-system'))
    assert.ok(!isAllowed(cluster, 'delete', 'serviceentries.networking.istio.io', 'redis'))
  })
})
