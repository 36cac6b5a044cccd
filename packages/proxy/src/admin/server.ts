/**
 * The admin pages over HTTP, with Envoy's paths and formats where it has them. Reading is GET, changing is POST. There
 * is no authentication: the default address is loopback, and any other is the operator's explicit choice.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { getLogger } from '@logtape/logtape'
import { AerakiError } from '@aeraki/api/errors'
import { formatAddress } from '../config/from-common.ts'
import type { Address } from '../config/model.ts'
import { clustersPage } from './clusters.ts'
import { textPage, type AdminContext, type Page } from './context.ts'
import { listenersPage } from './listeners.ts'
import { changeLogging, loggingPage } from './logging.ts'
import { readyPage, serverInfoPage } from './server-info.ts'
import { prometheusPage, statsPage } from './stats.ts'

export interface Admin {
  readonly address: Address
  close(): Promise<void>
}

interface Route {
  readonly method: 'GET' | 'POST'
  readonly help: string
  /** It shows what workers count. */
  readonly fresh?: true
  readonly page: (context: AdminContext, query: URLSearchParams) => Page | Promise<Page>
}

/** Longest URL and biggest header block; nothing legitimate comes near. */
const maxHeaderBytes = 16 * 1024

const routes: ReadonlyMap<string, readonly Route[]> = new Map<string, readonly Route[]>([
  ['/', [{ method: 'GET', help: 'this page', page: indexPage }]],
  ['/help', [{ method: 'GET', help: 'this page', page: indexPage }]],
  ['/ready', [{ method: 'GET', help: '200 LIVE, or 503 and the state', page: readyPage }]],
  ['/server_info', [{ method: 'GET', help: 'version, state, node, runtime and control plane', page: serverInfoPage }]],
  [
    '/config_dump',
    [
      {
        method: 'GET',
        help: 'configuration with versions and refused updates (?resource=, ?name_regex=)',
        // It prints all fields, for which it loads 10 MB of descriptors.
        page: async (context, query) => (await import('./config-dump.ts')).configDumpPage(context, query),
      },
    ],
  ],
  ['/listeners', [{ method: 'GET', help: 'what is bound where (?format=json)', fresh: true, page: listenersPage }]],
  [
    '/clusters',
    [{ method: 'GET', help: 'clusters and their endpoints (?format=json)', fresh: true, page: clustersPage }],
  ],
  [
    '/stats',
    [
      {
        method: 'GET',
        help: 'statistics (?filter=REGEX, ?format=text|json|prometheus, ?usedonly)',
        fresh: true,
        page: statsPage,
      },
    ],
  ],
  [
    '/stats/prometheus',
    [
      {
        method: 'GET',
        help: 'statistics for Prometheus (?filter=REGEX, ?usedonly)',
        fresh: true,
        page: prometheusPage,
      },
    ],
  ],
  [
    '/logging',
    [
      { method: 'GET', help: 'log levels', page: loggingPage },
      { method: 'POST', help: 'changes log levels (?level=debug, or ?xds=debug)', page: changeLogging },
    ],
  ],
])

/** What others may see: probes of the orchestrator, and Prometheus. None of it changes anything or shows configuration. */
const statusRoutes: typeof routes = new Map(
  [...routes].filter(([path]) => ['/ready', '/stats/prometheus'].includes(path)),
)

const log = getLogger(['aeraki', 'proxy', 'admin'])

/** All pages. Rejects with `AerakiError` PROXY_ADMIN_BIND_FAILED. */
export async function startAdmin(address: Address, context: AdminContext): Promise<Admin> {
  const admin = await serve(address, routes, context)
  if (!isLoopback(address.host)) {
    log.warn('the admin pages are on {address}: whoever reaches it may read the configuration and change the log', {
      address: formatAddress(admin.address),
    })
  }
  return admin
}

/** Only what is for everybody to see. Rejects with `AerakiError` PROXY_ADMIN_BIND_FAILED. */
export function startStatus(address: Address, context: AdminContext): Promise<Admin> {
  return serve(address, statusRoutes, context)
}

async function serve(address: Address, pages: typeof routes, context: AdminContext): Promise<Admin> {
  const server = createServer({ maxHeaderSize: maxHeaderBytes }, (request, response) => {
    void answer(pages, context, request, response)
  })
  server.headersTimeout = 10_000
  server.requestTimeout = 10_000
  const bound = await listen(server, address)
  return {
    address: bound,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listen(server: Server, address: Address): Promise<Address> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      // Bun's message lacks the code.
      const reason = cause.code ?? cause.message
      const where = formatAddress(address)
      const remedy = 'give another --admin-address or --status-address (port 0 picks one), or admin.address'
      reject(new AerakiError('PROXY_ADMIN_BIND_FAILED', `admin pages on ${where}: ${reason}; ${remedy}`, { cause }))
    })
    server.listen(address.port, address.host, () => {
      const bound = server.address()
      resolve(typeof bound === 'object' && bound !== null ? { host: bound.address, port: bound.port } : address)
    })
  })
}

/** Rejects never. */
async function answer(
  pages: typeof routes,
  context: AdminContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // A page of another origin must not drive a browser to change anything here: DNS rebinding comes with its own Host.
  const page = hostAllowed(request.headers.host)
    ? await dispatch(pages, context, request)
    : textPage('unknown Host: use an IP address or localhost', 403)
  response.writeHead(page.status, {
    'content-type': page.type ?? 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(page.body),
    'cache-control': 'no-cache, max-age=0',
    'x-content-type-options': 'nosniff',
  })
  response.end(request.method === 'HEAD' ? undefined : page.body)
  request.resume()
}

async function dispatch(pages: typeof routes, context: AdminContext, request: IncomingMessage): Promise<Page> {
  const url = URL.parse(request.url ?? '/', 'http://admin')
  if (url === null) return textPage('not a URL', 400)
  const found = pages.get(url.pathname)
  if (found === undefined) return textPage(`no page ${url.pathname}; / lists them all`, 404)
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const route = found.find((each) => each.method === method)
  if (route === undefined) {
    return textPage(
      `${url.pathname} takes ${found.map((each) => each.method).join(' and ')}, not ${request.method}`,
      405,
    )
  }
  try {
    if (route.fresh === true) await context.runtime.refresh?.()
    return await route.page(context, url.searchParams)
  } catch (error) {
    if (error instanceof AerakiError) return textPage(`${error.code}: ${error.message}`, 400)
    log.error('{path} failed: {error}', { path: url.pathname, error })
    return textPage('internal error; see the log', 500)
  }
}

function indexPage(): Page {
  const lines = [...routes].flatMap(([path, found]) =>
    found.map(({ method, help }) => `${method.padEnd(4)} ${path.padEnd(18)} ${help}`),
  )
  return textPage(lines.join('\n'))
}

function hostAllowed(host: string | undefined): boolean {
  if (host === undefined) return true
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return name === 'localhost' || isIP(name) !== 0
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}
