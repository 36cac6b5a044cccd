/** The admin HTTP server: read-only pages, for people and probes on the same machine. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AerakiError } from '@aeraki/api/errors'

export interface Page {
  readonly path: string
  /** One line for the index. */
  readonly about: string
  answer(query: URLSearchParams): Answer | Promise<Answer>
}

export type Answer =
  | { readonly kind: 'json'; readonly status?: number; readonly body: unknown }
  | { readonly kind: 'text'; readonly status?: number; readonly body: string }

export interface AdminServer {
  /** `host:port`, with the port that was chosen. */
  readonly address: string
  /** Shows these pages from now on, and no others. */
  replace(pages: readonly Page[]): void
  close(): Promise<void>
}

export const livenessPage: Page = {
  path: '/healthz',
  about: 'whether the process is alive',
  answer: () => ({ kind: 'text', body: 'ok\n' }),
}

/** Throws `ADMIN_LISTEN` if the address can't be bound. */
export async function startAdmin(
  listen: { readonly host: string; readonly port: number },
  pages: readonly Page[],
): Promise<AdminServer> {
  let byPath = index(pages)
  const server = createServer((request, response) => {
    void respond(request, response, byPath)
  })
  await bind(server, listen)
  const { address, port, family } = server.address() as AddressInfo
  return {
    address: family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`,
    replace(others) {
      byPath = index(others)
    },
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

function index(pages: readonly Page[]): ReadonlyMap<string, Page> {
  return new Map(pages.map((page) => [page.path, page]))
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  pages: ReadonlyMap<string, Page>,
): Promise<void> {
  const url = URL.parse(request.url ?? '/', 'http://admin')
  const readOnly = request.method === 'GET' || request.method === 'HEAD'
  const { status, type, body } = print(!readOnly ? notAllowed : url === null ? notFound : await answerTo(url, pages))
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

function print(answer: Answer): { status: number; type: string; body: string } {
  const { status = 200 } = answer
  const text = 'text/plain; charset=utf-8'
  if (answer.kind === 'text') return { status, type: text, body: answer.body }
  try {
    return { status, type: 'application/json', body: `${JSON.stringify(answer.body, null, 2)}\n` }
  } catch (error) {
    return { status: 500, type: text, body: `${String(error)}\n` }
  }
}

const notFound: Answer = { kind: 'text', status: 404, body: 'no such page; / lists them\n' }
const notAllowed: Answer = { kind: 'text', status: 405, body: 'only GET\n' }

async function answerTo(url: URL, pages: ReadonlyMap<string, Page>): Promise<Answer> {
  if (url.pathname === '/') {
    const lines = [...pages.values()].map(({ path, about }) => `${path.padEnd(20)} ${about}\n`)
    return { kind: 'text', body: lines.join('') }
  }
  const page = pages.get(url.pathname)
  if (page === undefined) return notFound
  try {
    return await page.answer(url.searchParams)
  } catch (error) {
    return { kind: 'text', status: 500, body: `${String(error)}\n` }
  }
}

async function bind(server: Server, { host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new AerakiError(
          'ADMIN_LISTEN',
          `the admin pages can't listen on ${host}:${port}: ${cause.message}. Choose another --admin.`,
          {
            cause,
          },
        ),
      )
    })
    server.listen(port, host, resolve)
  })
}
