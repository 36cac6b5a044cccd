/**
 * A server of configuration over MCP-over-xDS: istiod, or any other that speaks it. What was learnt is kept while the
 * connection is down; what is gone after a reconnect goes then.
 */
import { type Diagnostic, type LoadedObject, loadValue } from '@aeraki/api'
import { getLogger } from '@logtape/logtape'
import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { type AdsClient, type ClientState, type ClientTls, createAdsClient, type Update } from '@aeraki/xds'
import { type Node, NodeSchema } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import { collectionsOf, type McpKind, mcpKinds } from '../mcp/collections.ts'
import { fromMcp } from '../mcp/objects.ts'
import type { OriginUpdate, Source, SourceListener } from './source.ts'

const log = getLogger(['aeraki', 'control-plane', 'source'])

export interface McpSourceOptions {
  /** `host:port`; istiod's is 15012 with TLS, or 15010 without where it allows that. */
  readonly target: string
  readonly tls?: ClientTls | undefined
  /** Default: of the pod, as POD_NAME, POD_NAMESPACE and POD_IP of the environment say. */
  readonly node?: Node | undefined
  /** First and longest pause between attempts to connect. Default 500 ms and 30 s. */
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number }
}

interface Served {
  readonly typeUrl: string
  readonly version: string
  readonly any: Any
}

/** By name. */
type Objects = ReadonlyMap<string, Served>

const scheme = 'mcp://'

export function isFromMcp({ source }: LoadedObject): boolean {
  return source.file.startsWith(scheme)
}

/** EnvoyFilters are what we make, not what we are made of: all kinds but that one. */
const wanted = mcpKinds.filter((kind) => kind !== 'EnvoyFilter')

/** `start` resolves when every kind has been answered once, however long that takes. Throws `XDS_TARGET`. */
export function createMcpSource(options: McpSourceOptions): Source {
  const { target } = options
  /** By collection: the same kind may be served under several versions. Undefined: not answered yet. */
  const served = new Map<string, Map<string, Served> | undefined>()
  /** By kind: what the listener has been told. */
  const told = new Map<McpKind, Objects>()
  let listener: SourceListener | undefined
  let synced: (() => void) | undefined
  let client: AdsClient | undefined
  let complaint = ''

  async function onUpdate(typeUrl: string, { changed, removed }: Update): Promise<void> {
    const objects = served.get(typeUrl) ?? new Map<string, Served>()
    for (const name of removed) objects.delete(name)
    for (const { name, version, any } of changed) objects.set(name, { typeUrl, version, any })
    served.set(typeUrl, objects)
    if (synced === undefined) tell()
    else if ([...served.values()].every((answer) => answer !== undefined)) {
      tell()
      warnIfEmpty()
      synced()
      synced = undefined
    }
  }

  /** Tells what is new since the last time, of every kind. */
  function tell(): void {
    const updates: OriginUpdate[] = []
    for (const kind of wanted) {
      const now = current(kind)
      const before = told.get(kind)
      for (const [name, object] of now) {
        if (before?.get(name)?.version !== object.version) updates.push(read(kind, name, object))
      }
      for (const name of before?.keys() ?? []) if (!now.has(name)) updates.push(gone(kind, name))
      told.set(kind, now)
    }
    if (updates.length > 0 || synced !== undefined) listener?.(updates)
  }

  /** An object that is served under several versions is the newest one's. */
  function current(kind: McpKind): Objects {
    return new Map(
      collectionsOf(kind)
        .toReversed()
        .flatMap((typeUrl) => [...(served.get(typeUrl) ?? [])]),
    )
  }

  function originOf(kind: McpKind, name: string): string {
    return `${scheme}${target}/${kind}/${name}`
  }

  function read(kind: McpKind, name: string, { typeUrl, any }: Served): OriginUpdate {
    const origin = originOf(kind, name)
    try {
      return { origin, state: 'present', ...loadValue(fromMcp(typeUrl, any), origin) }
    } catch (error) {
      return { origin, state: 'present', objects: [], diagnostics: [unreadable(kind, name, origin, error)] }
    }
  }

  function gone(kind: McpKind, name: string): OriginUpdate {
    return { origin: originOf(kind, name), state: 'removed', objects: [], diagnostics: [] }
  }

  function warnIfEmpty(): void {
    if ([...served.values()].some((objects) => objects !== undefined && objects.size > 0)) return
    log.warn(
      '{target} serves no object of any kind. If there are some, it does not serve them to this client: see MCP_EMPTY in docs/errors.md',
      { target, code: 'MCP_EMPTY' },
    )
  }

  function onState(state: ClientState): void {
    if (state.kind === 'connected') complaint = ''
    if (state.kind !== 'waiting') return
    const { code, advice } = explain(state)
    // Once for each reason, not at each attempt.
    const text = `${state.status ?? ''} ${state.reason}`
    const level = text === complaint ? 'debug' : 'error'
    complaint = text
    log[level]('no configuration from {target}: {reason} ({status}). {advice}', {
      target,
      reason: state.reason,
      status: state.status ?? 'no status',
      advice,
      code,
    })
  }

  return {
    async start(to) {
      listener = to
      for (const typeUrl of wanted.flatMap(collectionsOf)) served.set(typeUrl, undefined)
      const first = new Promise<void>((resolve) => {
        synced = resolve
      })
      client = createAdsClient({
        target,
        node: options.node ?? podNode(process.env),
        variant: 'state-of-the-world',
        handler: { onUpdate, onState },
        ...(options.tls === undefined ? {} : { tls: options.tls }),
        ...(options.backoff === undefined ? {} : { backoff: options.backoff }),
      })
      for (const typeUrl of served.keys()) client.subscribe(typeUrl, '*')
      await first
    },
    async close() {
      listener = undefined
      await client?.close()
    },
  }
}

/** By `GENERATOR: api` istiod knows that configuration is asked for; it refuses ids of another form than a proxy's. */
export function podNode(env: Readonly<Record<string, string | undefined>>): Node {
  const { POD_IP: ip = '127.0.0.1', POD_NAME: name = 'aeraki', POD_NAMESPACE: namespace = 'istio-system' } = env
  const id = `sidecar~${ip}~${name}.${namespace}~${namespace}.svc.cluster.local`
  return create(NodeSchema, { id, metadata: { GENERATOR: 'api', NAMESPACE: namespace } })
}

function explain({ status }: Extract<ClientState, { kind: 'waiting' }>): { code: string; advice: string } {
  switch (status) {
    case 'unauthenticated':
      return {
        code: 'MCP_UNAUTHENTICATED',
        advice:
          'It serves configuration only to callers that prove who they are: connect to its TLS port (15012) with a certificate of the mesh',
      }
    case 'permission_denied':
      return {
        code: 'MCP_PERMISSION_DENIED',
        advice:
          'It serves configuration only to identities of its root namespace (istio-system): run in that namespace',
      }
    default:
      return { code: 'MCP_DISCONNECTED', advice: 'What is known is kept, and it is tried again' }
  }
}

function unreadable(kind: McpKind, name: string, origin: string, error: unknown): Diagnostic {
  const [namespace, object] = name.split('/')
  return {
    file: origin,
    line: 0,
    column: 0,
    severity: 'error',
    code: 'MCP_OBJECT',
    kind,
    namespace,
    name: object,
    field: '',
    value: undefined,
    message: error instanceof Error ? error.message : String(error),
    remedy: 'Correct the object where it comes from; its last good version stays in force.',
  }
}
