/**
 * Where the API server is, and as whom we speak to it: the service account of the pod, or a kubeconfig, found in the
 * order of the Kubernetes tools: a file that is named, KUBECONFIG, the pod's own account, ~/.kube/config.
 * https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { parse } from 'yaml'
import { bearer, type Credentials } from './credentials.ts'
import { badConfig } from './errors.ts'
import { runExecPlugin } from './exec-plugin.ts'

export interface ClusterConfig {
  /** Without a trailing slash. */
  readonly server: string
  /** Where this came from, for messages. */
  readonly origin: string
  /** Of the context, or of the pod; `default` where neither says. */
  readonly namespace: string
  readonly tls: TlsSettings
  /**
   * What proves who we are, now. `refused`: the server did not take what it was given last (401), so that nothing
   * remembered is to be used again. Throws `KUBERNETES_CONFIG`.
   */
  credentials(refused: boolean): Promise<Credentials>
}

export interface TlsSettings {
  readonly ca: string | undefined
  readonly servername: string | undefined
  readonly insecure: boolean
}

export interface ConfigOptions {
  /** A kubeconfig file. */
  readonly kubeconfig?: string | undefined
  /** A context of it, other than its current one. */
  readonly context?: string | undefined
  readonly env?: NodeJS.ProcessEnv
}

const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

/** Throws `KUBERNETES_CONFIG`. */
export function loadClusterConfig({ kubeconfig, context, env = process.env }: ConfigOptions = {}): ClusterConfig {
  if (kubeconfig !== undefined) return fromKubeconfig([kubeconfig], context)
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '')
  if (listed.length > 0) return fromKubeconfig(listed, context)
  const host = env['KUBERNETES_SERVICE_HOST']
  if (host !== undefined && host !== '' && context === undefined) {
    return fromServiceAccount(host, env['KUBERNETES_SERVICE_PORT'] ?? '443')
  }
  const home = join(homedir(), '.kube/config')
  if (existsSync(home)) return fromKubeconfig([home], context)
  throw badConfig(
    'no Kubernetes cluster',
    'not in a pod, and neither KUBECONFIG nor ~/.kube/config. Give --kubeconfig.',
  )
}

function fromServiceAccount(host: string, port: string): ClusterConfig {
  const token = join(accountFolder, 'token')
  const namespace = join(accountFolder, 'namespace')
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    origin: accountFolder,
    namespace: existsSync(namespace) ? readText(namespace).trim() : 'default',
    tls: { ca: readText(join(accountFolder, 'ca.crt')), servername: undefined, insecure: false },
    // The kubelet writes a new token long before the old one expires, into the same file.
    credentials: async () => bearer(readText(token).trim()),
  }
}

interface Named {
  readonly name: string
  readonly [field: string]: unknown
}

function fromKubeconfig(paths: readonly string[], wanted: string | undefined): ClusterConfig {
  const files = paths
    .filter((path) => paths.length === 1 || existsSync(path))
    .map((path) => ({ path, ...readFile(path) }))
  const origin = paths.join(delimiter)
  const named = wanted ?? files.map(({ config }) => config['current-context']).find(isText)
  if (named === undefined) throw badConfig(origin, 'it has no current-context. Set one, or give --context.')

  function entry(list: string, field: string, name: unknown): { value: Record<string, unknown>; folder: string } {
    for (const { path, config } of files) {
      const found = namedIn(config[list]).find((each) => each.name === name)
      const value = found?.[field]
      if (isRecord(value)) return { value, folder: dirname(resolve(path)) }
    }
    throw badConfig(origin, `it has no ${field} "${String(name)}" under ${list}`)
  }

  const context = entry('contexts', 'context', named).value
  const cluster = entry('clusters', 'cluster', context['cluster'])
  const user = context['user'] === undefined ? undefined : entry('users', 'user', context['user'])
  const { server } = cluster.value
  if (!isText(server) || !URL.canParse(server))
    throw badConfig(origin, `the cluster's server is no URL: ${String(server)}`)
  if (cluster.value['proxy-url'] !== undefined) throw badConfig(origin, 'proxy-url of a cluster is not supported')
  const ca = pem(cluster.value, 'certificate-authority', cluster.folder)
  return {
    server: server.replace(/\/+$/, ''),
    origin,
    namespace: isText(context['namespace']) ? context['namespace'] : 'default',
    tls: {
      ca,
      servername: isText(cluster.value['tls-server-name']) ? cluster.value['tls-server-name'] : undefined,
      insecure: cluster.value['insecure-skip-tls-verify'] === true,
    },
    credentials: credentialsOf(user, { server, ca }, origin),
  }
}

function credentialsOf(
  user: { value: Record<string, unknown>; folder: string } | undefined,
  cluster: { readonly server: string; readonly ca: string | undefined },
  origin: string,
): ClusterConfig['credentials'] {
  if (user === undefined) return async () => ({ headers: {}, cert: undefined, key: undefined })
  const { value, folder } = user
  if (value['auth-provider'] !== undefined) {
    throw badConfig(origin, 'auth-provider is not supported, as in kubectl since 1.26: use an exec plugin')
  }
  const impersonate: Record<string, string> = isText(value['as']) ? { 'impersonate-user': value['as'] } : {}
  const { tokenFile, token, username, password, exec } = value
  return async (refused) => {
    if (isRecord(exec)) {
      const found = await runExecPlugin(exec, { folder, refused, ...cluster })
      return { ...found, headers: { ...found.headers, ...impersonate } }
    }
    const headers = isText(tokenFile)
      ? bearer(readText(resolve(folder, tokenFile)).trim()).headers
      : isText(token)
        ? bearer(token).headers
        : isText(username)
          ? { authorization: `Basic ${Buffer.from(`${username}:${String(password)}`).toString('base64')}` }
          : {}
    return {
      headers: { ...headers, ...impersonate },
      cert: pem(value, 'client-certificate', folder),
      key: pem(value, 'client-key', folder),
    }
  }
}

/** `<field>-data` holds it in base64, `<field>` names a file, relative to the kubeconfig. */
function pem(record: Record<string, unknown>, field: string, folder: string): string | undefined {
  const data = record[`${field}-data`]
  if (isText(data)) return Buffer.from(data, 'base64').toString('utf8')
  const file = record[field]
  return isText(file) ? readText(resolve(folder, file)) : undefined
}

function readFile(path: string): { config: Record<string, unknown> } {
  const text = readText(path)
  let config: unknown
  try {
    config = parse(text)
  } catch (cause) {
    throw badConfig(path, `it is no YAML: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
  if (!isRecord(config)) throw badConfig(path, 'it is no kubeconfig')
  return { config }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw badConfig(path, `it cannot be read (${cause instanceof Error ? cause.message : String(cause)})`, cause)
  }
}

function namedIn(list: unknown): Named[] {
  return Array.isArray(list) ? list.filter((each): each is Named => isRecord(each) && isText(each['name'])) : []
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
