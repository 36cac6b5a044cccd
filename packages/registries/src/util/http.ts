/** HTTP to one server, the same for all registries that speak it: bounded connections, answers and times. */
import { Agent as PlainAgent, type IncomingMessage, type IncomingHttpHeaders, request as plainRequest } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'
import { createGunzip } from 'node:zlib'
import type { TlsOptions } from '../tls.ts'

export interface HttpOptions {
  /** Paths are appended to its own. A user and password in it become basic authentication. */
  readonly base: string
  readonly tls?: TlsOptions | undefined
  readonly headers?: Readonly<Record<string, string>>
  /** Connections at the same time; further requests wait. */
  readonly connections: number
}

export interface HttpRequest {
  readonly method?: 'GET' | 'POST'
  /** Begins with a slash. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as a form. */
  readonly form?: URLSearchParams
  /** Milliseconds until the whole answer is there. */
  readonly timeout: number
  readonly signal: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** Bytes, unpacked. */
const largestAnswer = 128 * 1024 * 1024

export class HttpClient {
  readonly #base: URL
  readonly #headers: Readonly<Record<string, string>>
  readonly #agent: PlainAgent

  constructor({ base, tls, headers = {}, connections }: HttpOptions) {
    this.#base = new URL(base)
    const { username, password, protocol } = this.#base
    const basic = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    this.#headers = {
      accept: 'application/json',
      'accept-encoding': 'gzip',
      ...(username === '' ? {} : { authorization: `Basic ${Buffer.from(basic).toString('base64')}` }),
      ...headers,
    }
    const options = { keepAlive: true, maxSockets: connections }
    this.#agent = protocol === 'https:' ? new TlsAgent({ ...options, ...tls }) : new PlainAgent(options)
  }

  /** Resolves with any status. Rejects with an Error for people when there is no whole answer. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(Math.ceil(request.timeout))])
    try {
      return await this.#attempt(request, signal)
    } catch (error) {
      if (request.signal.aborted) throw new Error('closed', { cause: error })
      if (signal.aborted) throw new Error(`no answer within ${request.timeout} ms`, { cause: error })
      throw error
    }
  }

  /**
   * The JSON of an answer with a status of success.
   * @throws Error also for other statuses and for what is no JSON
   */
  async json(request: HttpRequest): Promise<unknown> {
    return jsonOf(await this.send(request), request.path)
  }

  close(): void {
    this.#agent.destroy()
  }

  async #attempt(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const { answered, reused } = await this.#open(request, signal)
    try {
      return await readAnswer(await answered)
    } catch (error) {
      // The server closed a kept connection at the moment of its reuse; it has not seen the request.
      if (reused() && isReset(error) && !signal.aborted) return this.#attempt(request, signal)
      throw error
    }
  }

  async #open({ method = 'GET', path, headers, form }: HttpRequest, signal: AbortSignal) {
    const url = new URL(this.#base.pathname.replace(/\/$/, '') + path, this.#base)
    url.username = ''
    url.password = ''
    const body = form?.toString()
    const send = url.protocol === 'https:' ? tlsRequest : plainRequest
    const request = send(url, {
      method,
      agent: this.#agent,
      signal,
      headers: {
        ...this.#headers,
        ...headers,
        ...(body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      },
    })
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.on('response', resolve)
      request.on('error', reject)
    })
    request.end(body)
    return { answered, reused: () => request.reusedSocket }
  }
}

export function jsonOf({ status, text }: HttpAnswer, path: string): unknown {
  const [place] = path.split('?')
  if (status < 200 || status > 299) {
    const said = text.replaceAll(/\s+/g, ' ').trim().slice(0, 200)
    throw new Error(`${place} answers with status ${status}${said === '' ? '' : `: ${said}`}`)
  }
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new Error(`${place} answers with what is no JSON`, { cause: error })
  }
}

async function readAnswer(message: IncomingMessage): Promise<HttpAnswer> {
  const body = message.headers['content-encoding'] === 'gzip' ? unzip(message) : message
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > largestAnswer) {
      message.destroy()
      throw new Error(`an answer of more than ${largestAnswer} bytes`)
    }
    chunks.push(chunk)
  }
  return { status: message.statusCode ?? 0, headers: message.headers, text: Buffer.concat(chunks).toString() }
}

function unzip(message: IncomingMessage): AsyncIterable<Buffer> {
  const gunzip = createGunzip()
  message.on('error', (error) => gunzip.destroy(error))
  return message.pipe(gunzip)
}

function isReset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNRESET'
}
