import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { hasErrors } from '@aeraki/api'
import { readArguments } from '../src/arguments.ts'
import { chartFolder, loadChart, type Manifest, printManifests } from '../src/install/chart.ts'
import { renderTemplate } from '../src/install/template.ts'
import { command as controlPlane } from '../src/verbs/control-plane.ts'
import { command as proxy } from '../src/verbs/proxy.ts'
import { command as registry } from '../src/verbs/registry.ts'
import { at, container, podSpec } from './manifest-path.ts'
import { aeraki } from './run-command.ts'

const everything = `
webhook: {enabled: true, caBundle: QUJD, annotations: {a.b/c: d}}
redisSecrets: [{namespace: redis, names: [auth]}, {namespace: cache, names: [a, b]}]
gateway: {enabled: true, ports: [{name: tcp-dubbo, port: 20880}], nodeSelector: {disk: ssd}}
registry: {enabled: true, config: 'registries: []', env: [{name: A, secret: s, key: k}], tlsSecrets: [ca, client]}
`

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  readonly resourceNames?: readonly string[]
}

function manifests(values = '', namespace = 'istio-system'): Manifest[] {
  const chart = loadChart([{ name: 'values.yaml', text: values }])
  assert.deepEqual(chart.diagnostics, [])
  return chart.render(namespace)
}

function byKind(a: Manifest, b: Manifest): number {
  return String(a['kind']).localeCompare(String(b['kind']))
}

function readChart(path: string): unknown {
  return parse(readFileSync(join(chartFolder, path), 'utf8'))
}

describe('what is installed', () => {
  test('is the same bytes for the same values, and every object has a kind and a name of its own', () => {
    assert.equal(printManifests(manifests(everything), 'yaml'), printManifests(manifests(everything), 'yaml'))
    const names = manifests(everything).map(({ kind, metadata }) => {
      const { namespace = '', name } = metadata as { namespace?: string; name: string }
      return `${String(kind)} ${namespace}/${name}`
    })
    assert.equal(new Set(names).size, names.length)
  })

  test('has the custom resource definitions of manifests/crds first', () => {
    const folder = join(chartFolder, '../../crds')
    const crds = readdirSync(folder).map((name) => parse(readFileSync(join(folder, name), 'utf8')) as Manifest)
    assert.ok(crds.length > 0)
    assert.deepEqual(manifests().slice(0, crds.length), crds)
  })

  test('goes where it is told, and not elsewhere but for the passwords of Redis', () => {
    const namespaces = manifests(everything, 'mesh').map(
      ({ metadata }) => (metadata as { namespace?: string }).namespace,
    )
    assert.deepEqual(new Set(namespaces), new Set([undefined, 'mesh', 'redis', 'cache']))
    assert.doesNotMatch(JSON.stringify(manifests('controlPlane: {rootNamespace: root}', 'mesh')), /istio-system/)
  })

  test('has the rights of manifests/rbac.yaml', () => {
    const written = parseAllDocuments(readFileSync(join(chartFolder, '../../rbac.yaml'), 'utf8'))
    const rights = manifests().filter(({ kind }) => /^(Cluster)?Role(Binding)?$/.test(String(kind)))
    assert.deepEqual(rights.toSorted(byKind), written.map((each) => each.toJS() as Manifest).toSorted(byKind))
  })

  test('may read no Secret but those that are named, and has no right by wildcard', () => {
    const roles = manifests(everything).filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole')
    const rules = roles.flatMap((role) => (role['rules'] as Rule[]).map((rule) => ({ kind: role['kind'], ...rule })))
    assert.ok(rules.length > 8)
    for (const { kind, apiGroups, resources, verbs, resourceNames } of rules) {
      assert.ok(!verbs.includes('*') && !apiGroups.includes('*'))
      // Of our own groups everything may be read: they are ours.
      assert.ok(!resources.includes('*') || verbs.every((verb) => ['list', 'watch'].includes(verb)))
      if (!resources.includes('secrets')) continue
      assert.equal(kind, 'Role')
      assert.ok(resourceNames !== undefined && resourceNames.length > 0)
      assert.deepEqual(verbs, ['list', 'watch'])
    }
    assert.doesNotMatch(JSON.stringify(manifests()), /secrets|istio-ca/)
  })

  test('runs as nobody, with nothing it could write to and nothing it may do', () => {
    const list = manifests(everything)
    for (const name of ['aeraki', 'aeraki-gateway', 'aeraki-registry']) {
      assert.equal(at(list, 'Deployment', name, `${podSpec}.securityContext.runAsNonRoot`), true)
      assert.deepEqual(at(list, 'Deployment', name, `${container}.securityContext`), {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
    }
    assert.equal(at(list, 'Deployment', 'aeraki-gateway', `${podSpec}.automountServiceAccountToken`), false)
  })

  test('starts the control plane with flags that it has', () => {
    const [verb, ...args] = at(manifests(everything), 'Deployment', 'aeraki', `${container}.args`) as string[]
    assert.equal(verb, 'control-plane')
    const read = readArguments('control-plane', controlPlane, args)
    assert.ok(read.flag('kubernetes'))
    assert.equal(read.text('webhook-key'), '/etc/aeraki/webhook/tls.key')
  })

  test('starts the bridge from registries with flags that it has, and with passwords out of Secrets', () => {
    const list = manifests(everything)
    const [verb, ...args] = at(list, 'Deployment', 'aeraki-registry', `${container}.args`) as string[]
    assert.equal(verb, 'registry')
    const file = readArguments('registry', registry, args).text('config')
    assert.equal(file, '/etc/aeraki/registries/registries.yaml')
    assert.deepEqual(at(list, 'ConfigMap', 'aeraki-registries', 'data'), { 'registries.yaml': 'registries: []' })
    assert.deepEqual((at(list, 'Deployment', 'aeraki-registry', `${container}.env`) as unknown[]).slice(1), [
      { name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
    ])
    const mounts = at(list, 'Deployment', 'aeraki-registry', `${container}.volumeMounts`) as { mountPath: string }[]
    assert.deepEqual(
      mounts.map(({ mountPath }) => mountPath),
      ['/etc/aeraki/registries', '/etc/aeraki/tls/ca', '/etc/aeraki/tls/client'],
    )
  })

  test('has registries in the control plane where it is asked for, with the rights for it', () => {
    const list = manifests(everything.replace('registry: {', 'registry: {inControlPlane: true, '))
    const args = at(list, 'Deployment', 'aeraki', `${container}.args`) as string[]
    assert.ok(args.includes('--registries=/etc/aeraki/registries/registries.yaml'))
    assert.deepEqual(at(list, 'ClusterRoleBinding', 'aeraki-registry', 'subjects'), [
      { kind: 'ServiceAccount', name: 'aeraki', namespace: 'istio-system' },
    ])
    assert.ok(
      !list.some(({ kind, metadata }) => kind === 'Deployment' && JSON.stringify(metadata).includes('registry')),
    )
  })

  test('starts the proxy with flags that it has', () => {
    const [verb, ...args] = at(manifests(everything), 'Deployment', 'aeraki-gateway', `${container}.args`) as string[]
    assert.equal(verb, 'proxy')
    const read = readArguments('proxy', { ...proxy, passThrough: false }, args)
    assert.match(read.text('node') ?? '', /^router~\$\(POD_IP\)~/)
    assert.equal(read.text('control-plane'), 'aeraki.istio-system.svc:15010')
  })

  test('is of the version that this is', () => {
    const { version } = readChart('../../../package.json') as { version: string }
    const { appVersion } = readChart('Chart.yaml') as { appVersion: string }
    assert.equal(appVersion, version)
    assert.equal(at(manifests(), 'Deployment', 'aeraki', `${container}.image`), `aeraki:${version}`)
  })
})

describe('values', () => {
  test('are put over the defaults as Helm does: maps over maps, all else in place', () => {
    const list = manifests('controlPlane: {resources: {limits: {cpu: 1}}}')
    assert.deepEqual(at(list, 'Deployment', 'aeraki', `${container}.resources`), {
      requests: { cpu: '100m', memory: '256Mi' },
      limits: { memory: '1Gi', cpu: 1 },
    })
  })

  test('that are wrong are told with place and remedy', () => {
    const { diagnostics } = loadChart([
      { name: 'v.yaml', text: 'webhook:\n  enabld: true\ncontrolPlane: {replicas: many}\n' },
    ])
    assert.ok(hasErrors(diagnostics))
    assert.deepEqual(diagnostics.map(({ file, line, field }) => `${file}:${line} ${field}`).toSorted(), [
      'v.yaml:2 webhook.enabld',
      'v.yaml:3 controlPlane.replicas',
    ])
  })

  test('all have a default, which the schema knows', () => {
    assert.deepEqual(loadChart([]).diagnostics, [])
    const schema = JSON.parse(readFileSync(join(chartFolder, 'values.schema.json'), 'utf8')) as {
      properties: Record<string, { properties?: object }>
    }
    const { values } = loadChart([])
    for (const [key, { properties }] of Object.entries(schema.properties)) {
      if (key === 'global') continue
      assert.ok(key in values, key)
      for (const name of Object.keys(properties ?? {})) assert.ok(name in (values[key] as object), `${key}.${name}`)
    }
  })
})

describe('the template language', () => {
  const context = {
    Values: { on: true, off: false, none: [], some: [{ a: 1 }, { a: 2 }], word: 'w"' },
    Release: { Namespace: 'n' },
  }
  const cases: readonly [template: string, text: string][] = [
    ['a {{ .Release.Namespace }} {{ .Values.word | toJson }}', 'a n "w\\""'],
    ['a\n  {{- if .Values.on }}\n  b\n  {{- end }}\nc', 'a\n  b\nc'],
    ['a\n{{- if .Values.none }}\nb{{ end }}', 'a'],
    ['{{ range .Values.some -}}\n {{ .a }}{{ $.Release.Namespace }} {{- end }}', '1n2n'],
    ['{ {{ .Values.on }}}', '{ true}'],
    ['a{{ if not .Values.on }}b{{ end }}{{ if not .Values.none }}c{{ end }}', 'ac'],
  ]
  for (const [template, text] of cases) {
    test(JSON.stringify(template), () => assert.equal(renderTemplate(template, context), text))
  }

  test('is told from what is not understood', () => {
    for (const wrong of [
      '{{ include "x" . }}',
      '{{ if .Values.on }}',
      '{{ end }}',
      '{{ .Values.nothing }}',
      '{{ range .Values.word }}{{ end }}',
    ]) {
      assert.throws(() => renderTemplate(wrong, context), { code: 'INSTALL_CHART' }, wrong)
    }
  })
})

describe('the command', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-install-test-'))
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('prints what a file and --set ask for', async () => {
    const file = join(folder, 'values.yaml')
    writeFileSync(file, 'controlPlane: {replicas: 5}\n')
    const args = [
      'install',
      '--dry-run',
      '--values',
      file,
      '--set',
      'controlPlane.logLevel=debug,gateway.enabled=true',
      '-o',
      'json',
    ]
    const { code, stdout } = await aeraki(args)
    assert.equal(code, 0)
    const { items } = JSON.parse(stdout) as { items: Manifest[] }
    assert.equal(at(items, 'Deployment', 'aeraki', 'spec.replicas'), 5)
    assert.match(JSON.stringify(at(items, 'Deployment', 'aeraki', `${container}.args`)), /--log-level=debug/)
  })

  test('prints nothing where a value is wrong, and says what it lacks', async () => {
    const wrong = await aeraki(['install', '--dry-run', '--set', 'gateway.replicas=0'])
    assert.deepEqual([wrong.code, wrong.stdout], [1, ''])
    assert.match(wrong.stderr, /^--set: error API_OUT_OF_RANGE gateway\.replicas/m)
    const clusterless = await aeraki(['install', '--kubeconfig', join(folder, 'none.yaml')])
    assert.deepEqual([clusterless.code, clusterless.stdout], [1, ''])
    assert.match(clusterless.stderr, /\(KUBERNETES_CONFIG\)/)
    const missing = await aeraki(['install', '--dry-run', '--values', join(folder, 'none.yaml')])
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /\(INSTALL_VALUES\)/)
  })
})
