/**
 * Nacos' push, of servers from 2.0 on: gRPC on the port 1000 above that of HTTP. One stream, on which the server speaks,
 * and calls beside it, all on one connection by which it knows us. Every message is a Payload of JSON and its type:
 *
 *     call    ServerCheckRequest -> ServerCheckResponse
 *     stream  -> ConnectionSetupRequest, <- SetupAckRequest (from 2.4 on) -> SetupAckResponse
 *     call    SubscribeServiceRequest -> SubscribeServiceResponse { serviceInfo }
 *     stream  <- NotifySubscriberRequest { serviceInfo } -> NotifySubscriberResponse, and so for ClientDetectionRequest
 *     call    HealthCheckRequest -> HealthCheckResponse, now and then
 *
 * A serviceInfo { name, groupName, hosts: [...] } has all instances of its service, as they are read over HTTP. Whoever
 * subscribes is also pushed the service once, half a second later.
 */
import { create } from '@bufbuild/protobuf'
import { type Client, createClient } from '@connectrpc/connect'
import { isRecord } from '../guards.ts'
import type { TlsOptions } from '../tls.ts'
import { type GrpcConnection, openGrpc } from '../util/grpc.ts'
import type { ServiceName } from './dialect.ts'
import { BiRequestStream, type Payload, PayloadSchema, Request } from './gen/nacos_pb.ts'

export interface PushOptions {
  /** host:port */
  readonly address: string
  readonly tls: TlsOptions | undefined
  readonly token: () => Promise<string | undefined>
  /** With all instances that the service has now. */
  readonly onChange: (name: ServiceName, instances: readonly unknown[]) => void
  readonly signal: AbortSignal
}

export interface Push {
  /** From now on its changes are told. Resolves with its instances, undefined where the server does not say. */
  subscribe(name: ServiceName): Promise<readonly unknown[] | undefined>
  unsubscribe(name: ServiceName): Promise<void>
  /** Resolves with why, when nothing is pushed any more. */
  readonly ended: Promise<Error>
}

/** Milliseconds. A server forgets a client that says nothing for 20 s. */
const healthInterval = 5000
const timeoutMs = 10_000

const [encoder, decoder] = [new TextEncoder(), new TextDecoder()]

/** Rejects with an Error for people where the server does not push. */
export async function openPush(options: PushOptions): Promise<Push> {
  const connection = await openGrpc(options.address, options.tls, options.signal)
  const session = new PushSession(connection, options)
  try {
    await session.begin()
    return session
  } catch (error) {
    connection.close()
    throw error
  }
}

class PushSession implements Push {
  readonly ended: Promise<Error>
  readonly #options: PushOptions
  readonly #connection: GrpcConnection
  readonly #requests: Client<typeof Request>
  readonly #outbox: Payload[] = []
  readonly #ending = new AbortController()
  #end: (reason: Error) => void = () => undefined
  #wake: () => void = () => undefined
  #ids = 0

  constructor(connection: GrpcConnection, options: PushOptions) {
    this.#options = options
    this.#connection = connection
    this.#requests = createClient(Request, connection.transport)
    this.ended = new Promise((resolve) => {
      this.#end = (reason) => {
        this.#ending.abort()
        this.#wake()
        connection.close()
        resolve(reason)
      }
    })
    options.signal.addEventListener('abort', () => this.#end(new Error('closed')), { once: true })
  }

  async begin(): Promise<void> {
    await this.#call('ServerCheckRequest', {})
    this.#post('ConnectionSetupRequest', {
      clientVersion: 'Nacos-Java-Client:v2.2.4',
      labels: { source: 'sdk', module: 'naming' },
      tenant: '',
      abilities: {},
    })
    void this.#listen()
    // The server says nothing when it has taken us, and refuses calls before.
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#call('HealthCheckRequest', {})
        break
      } catch (error) {
        if (tries === 20 || this.#ending.signal.aborted) throw error
        await rest(50)
      }
    }
    const timer = setInterval(() => {
      this.#call('HealthCheckRequest', {}).catch((error: unknown) => this.#end(asError(error)))
    }, healthInterval)
    void this.ended.then(() => clearInterval(timer))
  }

  async subscribe(name: ServiceName): Promise<readonly unknown[] | undefined> {
    const { serviceInfo } = await this.#subscription(name, true)
    const hosts = isRecord(serviceInfo) ? serviceInfo['hosts'] : undefined
    return Array.isArray(hosts) ? hosts : undefined
  }

  async unsubscribe(name: ServiceName): Promise<void> {
    await this.#subscription(name, false)
  }

  async #subscription(
    { namespace, group, service }: ServiceName,
    subscribe: boolean,
  ): Promise<Record<string, unknown>> {
    const body = {
      module: 'naming',
      namespace: namespace || 'public',
      groupName: group,
      serviceName: service,
      clusters: '',
      subscribe,
    }
    return await this.#call('SubscribeServiceRequest', body)
  }

  async #call(type: string, body: object): Promise<Record<string, unknown>> {
    const token = await this.#options.token()
    const headers = token === undefined ? {} : { accessToken: token }
    const request = payload(type, { headers: {}, requestId: String((this.#ids += 1)), ...body }, headers)
    const answer = await this.#requests.request(request, { timeoutMs, signal: this.#ending.signal })
    const read = bodyOf(answer)
    if (read['resultCode'] !== 200) throw new Error(`${type}: ${String(read['message'] ?? read['errorCode'])}`)
    return read
  }

  async #listen(): Promise<void> {
    const stream = createClient(BiRequestStream, this.#connection.transport)
    try {
      const options = { signal: this.#ending.signal }
      for await (const message of stream.requestBiStream(this.#outgoing(), options)) this.#heard(message)
      throw new Error('the stream ended')
    } catch (error) {
      this.#end(asError(error))
    }
  }

  #heard(message: Payload): void {
    const type = message.metadata?.type ?? ''
    const body = bodyOf(message)
    const requestId = body['requestId']
    if (type === 'NotifySubscriberRequest') this.#pushed(body['namespace'], body['serviceInfo'])
    if (type === 'ConnectResetRequest') this.#end(new Error('the server asks us to leave'))
    else if (type.endsWith('Request')) this.#post(type.replace(/Request$/, 'Response'), { requestId, resultCode: 200 })
  }

  #pushed(namespace: unknown, info: unknown): void {
    if (!isRecord(info)) return
    const { groupName: group, name, hosts } = info
    if (typeof group !== 'string' || typeof name !== 'string' || !Array.isArray(hosts)) return
    const id = typeof namespace === 'string' && namespace !== 'public' ? namespace : ''
    // Some servers write the group before the name.
    this.#options.onChange({ namespace: id, group, service: name.replace(/^.*@@/, '') }, hosts)
  }

  #post(type: string, body: object): void {
    this.#outbox.push(payload(type, body, {}))
    this.#wake()
  }

  async *#outgoing(): AsyncGenerator<Payload> {
    while (!this.#ending.signal.aborted) {
      const next = this.#outbox.shift()
      if (next !== undefined) {
        yield next
        continue
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

function payload(type: string, body: object, headers: Record<string, string>): Payload {
  return create(PayloadSchema, {
    metadata: { type, headers, clientIp: '127.0.0.1' },
    body: { value: encoder.encode(JSON.stringify(body)) },
  })
}

function bodyOf(message: Payload): Record<string, unknown> {
  const parsed: unknown = JSON.parse(decoder.decode(message.body?.value) || '{}')
  return isRecord(parsed) ? parsed : {}
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

async function rest(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
