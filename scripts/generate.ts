/**
 * Makes everything that is generated and committed: protobuf messages and CRD manifests.
 * CI runs it and fails when the tree differs afterwards.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateCrds } from '../packages/api/src/index.ts'
import { renderTemplate } from '../packages/cli/src/install/template.ts'
import { generateLeanMessages } from './trim-messages.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const protoSource = join(root, 'packages/xds/proto')
const generated = join(root, 'packages/xds/src/gen')
const generatedLean = join(root, 'packages/xds/src/gen-lean')
const buf = join(root, 'node_modules/.bin/buf')
const plugin = join(root, 'node_modules/.bin/protoc-gen-es')
const pluginOptions = ['target=ts', 'import_extension=ts', 'erasable_syntax=true']

/** Registries that are spoken to in gRPC: FOLDER/FOLDER.proto becomes FOLDER/gen. */
const registries = ['etcd', 'nacos']

/** Only these and what they import are generated. */
const messages = [
  'envoy/service/discovery/v3',
  'envoy/service/listener/v3',
  'envoy/service/cluster/v3',
  'envoy/service/endpoint/v3',
  'envoy/service/route/v3',
  'envoy/config/bootstrap/v3',
  'envoy/extensions/filters/network/tcp_proxy/v3',
  'envoy/extensions/filters/network/http_connection_manager/v3',
  'envoy/extensions/filters/http/router/v3',
  'envoy/extensions/filters/network/dubbo_proxy',
  'envoy/extensions/filters/network/thrift_proxy',
  'envoy/extensions/filters/network/redis_proxy',
  'envoy/extensions/filters/network/zookeeper_proxy',
  'envoy/extensions/filters/network/mongo_proxy',
  'envoy/extensions/clusters/redis',
  'envoy/extensions/transport_sockets/tls/v3',
  'udpa/type/v1',
  'xds/type/v3',
  'aeraki',
  'istio/mcp/v1alpha1',
  'istio/networking/v1alpha3',
]

/** Annotations for other languages' generators, on every field: without them the proxy takes 9 MB less on Node, 1 MB on Bun. */
const annotations = ['validate', 'udpa.annotations', 'xds.annotations.v3', 'envoy.annotations']

function generateMessages(): void {
  const dependencies = join(root, 'node_modules/@grpc/grpc-js-xds/deps')
  const work = mkdtempSync(join(tmpdir(), 'aeraki-generate-'))
  try {
    for (const module of ['envoy-api', 'xds', 'googleapis']) {
      cpSync(join(dependencies, module), join(work, module), { recursive: true })
    }
    const validate = join(dependencies, 'protoc-gen-validate/validate/validate.proto')
    cpSync(validate, join(work, 'validate/validate/validate.proto'))
    patchValidate(join(work, 'validate/validate/validate.proto'))
    cpSync(protoSource, join(work, 'own'), { recursive: true })
    // Files that import protos which the package does not ship.
    for (const broken of [
      'googleapis/google/api/servicemanagement',
      'googleapis/google/api/servicecontrol',
      'googleapis/google/protobuf',
    ]) {
      rmSync(join(work, broken), { recursive: true, force: true })
    }
    writeFileSync(
      join(work, 'buf.yaml'),
      'version: v2\nmodules: [{path: envoy-api}, {path: xds}, {path: googleapis}, {path: validate}, {path: own}]\n',
    )
    writeFileSync(join(work, 'buf.gen.yaml'), JSON.stringify(generation(generated, { include_imports: true })))
    const paths = messages.flatMap((path) => ['--path', moduleOf(path, work)])
    const without = annotations.flatMap((name) => ['--exclude-type', name])
    execFileSync(buf, ['generate', ...paths, ...without], { cwd: work, stdio: 'inherit' })
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Of buf: into this folder, which is emptied first. */
function generation(out: string, more: object = {}): object {
  return { version: 'v2', clean: true, plugins: [{ local: plugin, out, ...more, opt: pluginOptions }] }
}

/** The copy that the package ships is older than the Envoy protos beside it, which use StringRules.ignore_empty. */
function patchValidate(path: string): void {
  const text = readFileSync(path, 'utf8')
  const opening = 'message StringRules {'
  if (!text.includes(opening)) throw new Error(`${path}: no StringRules to patch`)
  writeFileSync(path, text.replace(opening, `${opening}\n  optional bool ignore_empty = 26;`))
}

function moduleOf(path: string, work: string): string {
  const module = ['envoy-api', 'xds', 'own'].find((name) => existsSync(join(work, name, path)))
  if (module === undefined) throw new Error(`no module has ${path}`)
  return join(work, module, path)
}

function generateRegistries(): void {
  for (const name of registries) {
    const folder = join(root, 'packages/registries/src', name)
    const work = mkdtempSync(join(tmpdir(), 'aeraki-generate-'))
    try {
      cpSync(join(folder, `${name}.proto`), join(work, `${name}.proto`))
      writeFileSync(join(work, 'buf.yaml'), 'version: v2\n')
      writeFileSync(join(work, 'buf.gen.yaml'), JSON.stringify(generation(join(folder, 'gen'))))
      execFileSync(buf, ['generate'], { cwd: work, stdio: 'inherit' })
    } finally {
      rmSync(work, { recursive: true, force: true })
    }
  }
}

function generateManifests(): void {
  const folder = join(root, 'manifests/crds')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const [name, content] of generateCrds()) writeFileSync(join(folder, name), content)
  const rights = readFileSync(join(root, 'manifests/charts/aeraki/templates/rbac.yaml'), 'utf8')
  const text = renderTemplate(rights, { Release: { Namespace: 'istio-system' } })
  const about = '# Made of the Helm chart by "npm run generate", for those who want to see it or install by hand.\n'
  writeFileSync(join(root, 'manifests/rbac.yaml'), about + text)
}

/** All files in one list, of which the registry is made that prints an Any of any type. */
function generateFileList(): void {
  const paths = globSync('**/*_pb.ts', { cwd: generated }).toSorted()
  const lines = paths.map((path) => {
    const text = readFileSync(join(generated, path), 'utf8')
    const name = /^export const (file_\w+): GenFile/m.exec(text)?.[1]
    if (name === undefined) throw new Error(`${path} describes no file`)
    return { name, statement: `import { ${name} } from './${path}'` }
  })
  const imports = lines.map(({ statement }) => statement).join('\n')
  const names = lines.map(({ name }) => `  ${name},\n`).join('')
  writeFileSync(
    join(generated, 'files.ts'),
    `// @generated by scripts/generate.ts\n${imports}\n\nexport const files = [\n${names}]\n`,
  )
}

generateMessages()
generateFileList()
await generateLeanMessages(plugin, pluginOptions, generatedLean)
generateRegistries()
generateManifests()
