/**
 * Requests to the API server over kept-alive connections. It knows HTTP, credentials and Kubernetes' errors, and nothing
 * of any resource.
 */
import http from 'node:http'
import https from 'node:https'
import { AerakiError } from '@aeraki/api/errors'
import type { ClusterConfig } from './config.ts'
import type { Credentials } from './credentials.ts'
import { KubernetesError, UnreachableError } from './errors.ts'
import { forEachLine } from './lines.ts'

export interface KubernetesClient {
  readonly server: string
  /** That of the kubeconfig's context or of the pod. */
  readonly namespace: string
  /** What came back. Throws `KUBERNETES_REFUSED`, `KUBERNETES_UNREACHABLE`, `KUBERNETES_CONFIG`. */
  request<T>(request: ApiRequest): Promise<T>
  /**
   * Lines of an endless answer, as a watch gives. Resolves when the server ends it. Throws as `request`, and when
   * nothing came for `silenceMs`.
   */
  stream(request: StreamRequest): Promise<void>
  /** Ends what is under way. */
  close(): void
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Query
  readonly body?: unknown
  /** Default `application/json`. */
  readonly contentType?: string
  readonly accept?: string
  /** Default `json`. */
  readonly as?: 'json' | 'text'
  /** For the whole of it. Default 30 s. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal | undefined
}

export interface StreamRequest {
  readonly path: string
  readonly query?: Query
  readonly accept?: string
  readonly silenceMs: number
  readonly signal: AbortSignal
  /** The server has said yes. */
  readonly onOpen?: () => void
  /** What it throws ends the stream and is thrown from it. */
  readonly onLine: (line: string) => void
}

/** Nothing that is read here is larger; a server that sends more is not an API server. */
const largestAnswer = 512 * 1024 * 1024
const defaultTimeoutMs = 30_000
/** The kernel asks an idle peer whether it lives. */
const keepAliveMs = 30_000

export function createKubernetesClient(config: ClusterConfig, userAgent = 'aeraki'): KubernetesClient {
  const closing = new AbortController()
  const secure = config.server.startsWith('https:')
  let agent: { readonly agent: http.Agent; readonly cert: string | undefined } | undefined

  function agentFor({ cert, key }: Credentials): http.Agent {
    if (agent !== undefined && agent.cert === cert) return agent.agent
    const { ca, servername, insecure } = config.tls
    const options = { keepAlive: true, keepAliveMsecs: keepAliveMs }
    const made = secure
      ? new https.Agent({
          ...options,
          ca,
          cert,
          key,
          rejectUnauthorized: !insecure,
          ...(servername === undefined ? {} : { servername }),
        })
      : new http.Agent(options)
    // Requests under way keep their sockets; the old agent's idle ones are of no use any more.
    agent?.agent.destroy()
    agent = { agent: made, cert }
    return made
  }

  async function open(what: ApiRequest, signal: AbortSignal, refused = false): Promise<http.IncomingMessage> {
    const credentials = await config.credentials(refused)
    const body = what.body === undefined ? undefined : JSON.stringify(what.body)
    const response = await send(urlOf(config.server, what), {
      method: what.method ?? 'GET',
      agent: agentFor(credentials),
      signal,
      body,
      headers: {
        ...credentials.headers,
        accept: what.accept ?? 'application/json',
        'user-agent': userAgent,
        ...(body === undefined
          ? {}
          : { 'content-type': what.contentType ?? 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    })
    if (response.statusCode !== 401 || refused) return response
    response.resume()
    return await open(what, signal, true)
  }

  async function request<T>(what: ApiRequest): Promise<T> {
    const signal = AbortSignal.any([
      closing.signal,
      AbortSignal.timeout(what.timeoutMs ?? defaultTimeoutMs),
      ...(what.signal === undefined ? [] : [what.signal]),
    ])
    try {
      const response = await open(what, signal)
      const text = await readAll(response)
      if ((response.statusCode ?? 0) >= 300) throw refusal(what, response, text)
      return (what.as === 'text' || text === '' ? text : JSON.parse(text)) as T
    } catch (error) {
      if (error instanceof AerakiError) throw error
      throw new UnreachableError(config.server, signal.aborted ? signal.reason : error)
    }
  }

  async function stream(what: StreamRequest): Promise<void> {
    const silent = new AbortController()
    const signal = AbortSignal.any([closing.signal, what.signal, silent.signal])
    const watchdog = setTimeout(() => silent.abort(new Error(`silent for ${what.silenceMs} ms`)), what.silenceMs)
    try {
      const response = await open(what, signal)
      if ((response.statusCode ?? 0) >= 300) throw refusal(what, response, await readAll(response))
      watchdog.refresh()
      what.onOpen?.()
      response.on('data', () => watchdog.refresh())
      await forEachLine(response, what.onLine)
    } catch (error) {
      if (error instanceof AerakiError) throw error
      throw new UnreachableError(config.server, signal.aborted ? signal.reason : error, silent.signal.aborted)
    } finally {
      clearTimeout(watchdog)
    }
  }

  return {
    server: config.server,
    namespace: config.namespace,
    request,
    stream,
    close() {
      closing.abort(new Error('the client was closed'))
      agent?.agent.destroy()
    },
  }
}

function urlOf(server: string, { path, query = {} }: Pick<ApiRequest, 'path' | 'query'>): URL {
  const url = new URL(server + path)
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value))
  return url
}

interface Sending {
  readonly method: string
  readonly agent: http.Agent
  readonly signal: AbortSignal
  readonly body: string | undefined
  readonly headers: http.OutgoingHttpHeaders
}

async function send(url: URL, { body, ...options }: Sending): Promise<http.IncomingMessage> {
  const transport = url.protocol === 'https:' ? https : http
  return await new Promise((resolve, reject) => {
    // A connection may break after the answer, and a socket that is torn down may give more than one error.
    let settled = false
    const request = transport.request(url, options, (response) => {
      settled = true
      resolve(response)
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (settled) return
      settled = true
      // The server closed the idle connection just as it was used again: it has read nothing. Others may be dead, too.
      const lost = request.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '')
      if (lost && !options.signal.aborted) resolve(send(url, { body, ...options }))
      else reject(error)
    })
    request.end(body)
  })
}

async function readAll(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > largestAnswer) throw new Error(`the answer has more than ${largestAnswer} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
interface Status {
  readonly message?: string
  readonly reason?: string
  readonly details?: { readonly retryAfterSeconds?: number }
}

function refusal(request: ApiRequest, response: http.IncomingMessage, text: string): KubernetesError {
  let status: Status = {}
  try {
    status = JSON.parse(text) as Status
  } catch {
    // A proxy or a server that starts answers in plain words.
    status = { message: text.trim().slice(0, 500) }
  }
  const code = response.statusCode ?? 0
  const seconds = status.details?.retryAfterSeconds ?? Number(response.headers['retry-after'] ?? Number.NaN)
  const message = `${request.method ?? 'GET'} ${request.path}: ${code} ${status.reason ?? ''}: ${status.message ?? ''}`
  return new KubernetesError(code, status.reason ?? '', message, Number.isFinite(seconds) ? seconds * 1000 : undefined)
}
