/** The HTTPS server that the API server asks before it takes an object of ours. */
import { readFileSync, watch, type FSWatcher } from 'node:fs'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { dirname } from 'node:path'
import { AerakiError } from '@aeraki/api/errors'
import { getLogger } from '@logtape/logtape'
import { review } from './review.ts'

const log = getLogger(['aeraki', 'control-plane', 'webhook'])

export interface WebhookOptions {
  readonly listen: { readonly host: string; readonly port: number }
  /** PEM files. They are read again when they change, as cert-manager and mounted Secrets renew them. */
  readonly certFile: string
  readonly keyFile: string
}

export interface WebhookServer {
  /** `host:port` */
  readonly address: string
  readonly counters: Readonly<WebhookCounters>
  close(): Promise<void>
}

export interface WebhookCounters {
  passed: number
  failed: number
  /** Requests that were none. */
  malformed: number
}

/** The path that the incumbent has, too. */
export const webhookPath = '/validate'
/** The API server takes no larger object. */
const largestBody = 8 * 1024 * 1024
/** Two files do not change at once. */
const settleMs = 100
/** A mounted Secret is swapped by a link, which not every file system tells. */
const rereadMs = 30_000

/** Throws `WEBHOOK_CERTIFICATE`, `WEBHOOK_LISTEN`. */
export async function startWebhook({ listen, certFile, keyFile }: WebhookOptions): Promise<WebhookServer> {
  const counters: WebhookCounters = { passed: 0, failed: 0, malformed: 0 }
  let pair = readPair(certFile, keyFile)
  const server = createWith(pair, (request, response) => void answer(request, response, counters))
  await bind(server, listen)

  function reread(): void {
    try {
      const now = readPair(certFile, keyFile)
      if (now.cert === pair.cert && now.key === pair.key) return
      server.setSecureContext(now)
      pair = now
      log.info('The certificate was renewed')
    } catch (error) {
      // Half written, or not matching yet: the old one serves on.
      log.debug('{error}', { error: String(error) })
    }
  }
  let quiet: NodeJS.Timeout | undefined
  const watchers = watchFolders(new Set([dirname(certFile), dirname(keyFile)]), () => {
    clearTimeout(quiet)
    quiet = setTimeout(reread, settleMs)
  })
  const timer = setInterval(reread, rereadMs)
  const { address, port, family } = server.address() as AddressInfo
  return {
    address: family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`,
    counters,
    async close() {
      clearInterval(timer)
      clearTimeout(quiet)
      for (const watcher of watchers) watcher.close()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, counters: WebhookCounters): Promise<void> {
  try {
    const body = await readRequest(request)
    const result = review(body)
    counters[result.response.allowed ? 'passed' : 'failed'] += 1
    send(response, 200, result)
  } catch (error) {
    counters.malformed += 1
    const status = error instanceof Refused ? error.status : 400
    send(response, status, { error: error instanceof Error ? error.message : String(error) })
  }
}

/** By HTTP. */
class Refused extends AerakiError {
  readonly status: number

  constructor(status: number, message: string) {
    super('WEBHOOK_REQUEST', message)
    this.status = status
  }
}

async function readRequest(request: IncomingMessage): Promise<unknown> {
  const path = (request.url ?? '').split('?')[0]
  if (path !== webhookPath) throw new Refused(404, `only ${webhookPath}`)
  if (request.method !== 'POST') throw new Refused(405, 'only POST')
  const type = request.headers['content-type']?.split(';')[0]?.trim()
  if (type !== 'application/json') throw new Refused(415, 'only application/json')
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > largestBody) throw new Refused(413, `more than ${largestBody} bytes`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown
  } catch (cause) {
    throw new AerakiError('WEBHOOK_REQUEST', 'the body is no JSON', { cause })
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

function readPair(certFile: string, keyFile: string): { cert: string; key: string } {
  try {
    return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new AerakiError('WEBHOOK_CERTIFICATE', `the certificate of the webhook cannot be read: ${reason}`, { cause })
  }
}

function createWith(pair: { cert: string; key: string }, listener: RequestListener): Server {
  try {
    return createServer(pair, listener)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new AerakiError('WEBHOOK_CERTIFICATE', `the certificate of the webhook is none: ${reason}`, { cause })
  }
}

function watchFolders(folders: ReadonlySet<string>, changed: () => void): FSWatcher[] {
  return [...folders].map((folder) => {
    const watcher = watch(folder, { persistent: false }, changed)
    watcher.on('error', () => watcher.close())
    return watcher
  })
}

async function bind(server: Server, { host, port }: WebhookOptions['listen']): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `the webhook can't listen on ${host}:${port}: ${cause.message}. Choose another --webhook.`
      reject(new AerakiError('WEBHOOK_LISTEN', message, { cause }))
    })
    server.listen(port, host, resolve)
  })
}
