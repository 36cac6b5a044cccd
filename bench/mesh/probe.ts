/** Two Dubbo servers that answer differently, and a client that asks through a proxy which of them answers. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { dubboWire } from '../load/dubbo.ts'
import { calledMethod } from '../load/wire.ts'

export class Versions {
  readonly ports: readonly [number, number]
  readonly #servers: readonly Server[]

  static async start(): Promise<Versions> {
    const servers = [await answering(1), await answering(2)]
    return new Versions(servers)
  }

  private constructor(servers: readonly Server[]) {
    this.#servers = servers
    const [first = 0, second = 0] = servers.map((server) => (server.address() as AddressInfo).port)
    this.ports = [first, second]
  }

  close(): void {
    for (const server of this.#servers) server.close()
  }
}

const answers = [1, 2].map((payload) => dubboWire.response(calledMethod, payload))

export class Probe {
  readonly #socket: Socket

  static async open(host: string, port: number): Promise<Probe> {
    const socket = connect({ host, port, noDelay: true })
    await once(socket, 'connect')
    return new Probe(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    // A proxy that ends is the suite's end, too: see `ask`.
    socket.on('error', () => undefined)
  }

  /** Index of the server that answered, -1 when the proxy answered with an error. */
  async ask(): Promise<number> {
    const request = dubboWire.request(calledMethod, 16)
    request.writeUInt32BE(1, dubboWire.idAt)
    this.#socket.write(request)
    const [answer] = (await once(this.#socket, 'data')) as [Buffer]
    return answers.findIndex(({ length }) => length === answer.length)
  }

  /** Resolves as soon as this server answers. Rejects after so many milliseconds. */
  async until(server: number, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs
    while ((await this.ask()) !== server) {
      if (performance.now() > deadline) throw new Error(`the rule was not in force after ${timeoutMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  close(): void {
    this.#socket.destroy()
  }
}

async function answering(payload: number): Promise<Server> {
  const response = dubboWire.response(calledMethod, payload)
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (request) => {
      const answer = Buffer.from(response)
      // One request at a time: each comes in one piece.
      request.copy(answer, 4, 4, 12)
      socket.write(answer)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}
