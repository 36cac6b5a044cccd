/** What is needed of one Nacos server over HTTP, whichever interface it has; logs in and renews the token. */
import type { TlsOptions } from '../tls.ts'
import { type HttpAnswer, HttpClient, jsonOf } from '../util/http.ts'
import { type Dialect, pageSize, type ServiceName, v1, v3 } from './dialect.ts'

export interface NacosClientOptions {
  readonly server: string
  readonly tls: TlsOptions | undefined
  readonly credentials: { readonly username: string; readonly password: string } | undefined
  readonly connections: number
  readonly signal: AbortSignal
  readonly onAnswer: () => void
}

/** Milliseconds for one answer. */
const timeout = 30_000

export class NacosClient {
  readonly #options: NacosClientOptions
  readonly #http: HttpClient
  #dialect: Dialect = v1
  #token: { readonly text: string; readonly renewAt: number } | undefined
  #login: Promise<void> | undefined

  private constructor(options: NacosClientOptions) {
    this.#options = options
    const { server: base, tls, connections } = options
    this.#http = new HttpClient({ base, tls, connections })
  }

  /** Finds out what the server understands, and logs in where there are credentials. Rejects with an Error for people. */
  static async open(options: NacosClientOptions): Promise<NacosClient> {
    const client = new NacosClient(options)
    try {
      const probe = await client.#send({ path: v3.namespaces })
      // Servers before 3 know no such path: some say so with 501.
      client.#dialect = probe.status === 404 || probe.status === 501 ? v1 : v3
      await client.#authenticate()
      return client
    } catch (error) {
      client.close()
      throw error
    }
  }

  /** Ids; the public one's is empty. */
  async namespaces(): Promise<string[]> {
    const path = this.#dialect.namespaces
    return this.#dialect.readNamespaces(jsonOf(await this.#get(path), path))
  }

  /** Of all groups of a namespace, page by page. */
  async *services(namespace: string): AsyncGenerator<ServiceName> {
    for (let page = 1; ; page += 1) {
      const path = this.#dialect.services(namespace, page)
      const { total, services } = this.#dialect.readServices(jsonOf(await this.#get(path), path))
      for (const { group, service } of services) yield { namespace, group, service }
      if (services.length === 0 || page * pageSize >= total) return
    }
  }

  /** As the server writes them. A service that is gone has none. */
  async instances(name: ServiceName): Promise<unknown[]> {
    const path = this.#dialect.instances(name)
    const answer = await this.#get(path)
    // Nacos 3 does not take a service without instances for one.
    if (answer.status === 404) return []
    return this.#dialect.readInstances(jsonOf(answer, path))
  }

  /** Undefined where there is no such configuration. */
  async config(namespace: string, group: string, dataId: string): Promise<string | undefined> {
    const path = this.#dialect.config(namespace, group, dataId)
    const answer = await this.#get(path)
    if (answer.status === 404) return undefined
    if (answer.status !== 200) jsonOf(answer, path)
    return this.#dialect.readConfig(answer.text)
  }

  /** Names and contents of all configurations of a group. */
  async *configs(namespace: string, group: string): AsyncGenerator<readonly [dataId: string, content: string]> {
    for (let page = 1; ; page += 1) {
      const path = this.#dialect.configs(namespace, group, page)
      const { total, configs } = this.#dialect.readConfigs(jsonOf(await this.#get(path), path))
      for (const { dataId, content } of configs) {
        yield [dataId, content ?? (await this.config(namespace, group, dataId)) ?? '']
      }
      if (configs.length === 0 || page * pageSize >= total) return
    }
  }

  /** Undefined where nobody has to log in. */
  async token(): Promise<string | undefined> {
    if (this.#token !== undefined && performance.now() > this.#token.renewAt) await this.#authenticate()
    return this.#token?.text
  }

  close(): void {
    this.#http.close()
  }

  async #get(path: string): Promise<HttpAnswer> {
    const answer = await this.#send({ path, token: await this.token() })
    if (!isRefused(answer)) return answer
    if (this.#options.credentials === undefined) throw new Error('a user is needed: set username and password')
    // The server was started anew, or does not like the token any more for another reason.
    await this.#authenticate()
    return await this.#send({ path, token: this.#token?.text })
  }

  async #send(request: { path: string; token?: string | undefined; form?: URLSearchParams }): Promise<HttpAnswer> {
    const { path, token, form } = request
    const { signal, onAnswer } = this.#options
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const answer = await this.#http.send({
      path,
      method: form === undefined ? 'GET' : 'POST',
      ...(form === undefined ? {} : { form }),
      headers,
      timeout,
      signal,
    })
    onAnswer()
    return answer
  }

  /** Requests that need it at the same time ask for one token together. */
  async #authenticate(): Promise<void> {
    const { credentials } = this.#options
    if (credentials === undefined) return
    this.#login ??= this.#requestToken(credentials).finally(() => {
      this.#login = undefined
    })
    await this.#login
  }

  async #requestToken(credentials: { username: string; password: string }): Promise<void> {
    try {
      await this.#logIn(credentials)
    } catch (error) {
      // Where nobody has to log in, nobody can: Nacos 2.2 refuses even the right password then.
      if (!(error instanceof Refusal) || !(await this.#isOpen())) throw error
      this.#token = undefined
    }
  }

  /** Whether instances may be read without a token. */
  async #isOpen(): Promise<boolean> {
    const name = { namespace: '', group: 'DEFAULT_GROUP', service: 'aeraki' }
    const { status } = await this.#send({ path: this.#dialect.instances(name) })
    // Nacos 3 has no such service.
    return status === 200 || status === 404
  }

  async #logIn(credentials: { username: string; password: string }): Promise<void> {
    const { login: path, refusals } = this.#dialect
    const refusal = new Refusal('the user or password is wrong')
    const answer = await this.#send({ path, form: new URLSearchParams(credentials) }).catch((error: unknown) => {
      // Nacos 2.2 answers with a status that is none in HTTP.
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      throw code === 'HPE_INVALID_STATUS' ? refusal : error
    })
    if (refusals.has(answer.status)) throw refusal
    const body = jsonOf(answer, path) as { accessToken?: unknown; tokenTtl?: unknown }
    if (typeof body.accessToken !== 'string') throw new Error(`${path} answers without a token`)
    // Some servers where nobody has to log in answer so.
    if (body.accessToken === '') {
      this.#token = undefined
      return
    }
    const seconds = typeof body.tokenTtl === 'number' ? body.tokenTtl : 3600
    this.#token = { text: body.accessToken, renewAt: performance.now() + seconds * 800 }
  }
}

/** Of a user and password. */
class Refusal extends Error {}

function isRefused({ status }: HttpAnswer): boolean {
  return status === 401 || status === 403
}
