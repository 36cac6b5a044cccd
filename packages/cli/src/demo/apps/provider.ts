/**
 * A Dubbo provider that knows nothing of a mesh: it serves `DemoService` on the address it is given and answers who it is.
 *
 *   node provider.ts HOST PORT GROUP        (port 0: any)
 */
import { createServer, type Server, type Socket } from 'node:net'
import {
  DEMO_SERVICE,
  DEMO_VERSION,
  dubboProtocol,
  quietLogger,
  RpcServer,
  type Attachments,
  type DubboRequest,
  type DubboServer,
} from './dubbo-npm.ts'
import type { FromApp, Greeting } from './messages.ts'

const [host = '127.0.0.1', port = '0', group = 'v1'] = process.argv.slice(2)

const tell = (message: FromApp) => process.send?.(message)

class DemoServer extends RpcServer {
  /** Sofa's own server would take every address of the machine. */
  override _startServer(wanted: number): Server {
    // As Dubbo's own servers do: two answers on one connection do not wait for an acknowledgement between them.
    const server = createServer({ noDelay: true })
    server.once('error', (error) => {
      tell({ type: 'failed', message: `provider ${group}: ${error.message}` })
      process.exit(1)
    })
    server.on('connection', (socket) => acceptSocket(this, socket))
    server.listen(wanted, host, () => {
      const address = server.address()
      if (address !== null && typeof address === 'object') tell({ type: 'listening', port: address.port })
    })
    return server
  }

  override createContext(request: DubboRequest): { attachments: Attachments } {
    return { attachments: request.data.requestProps }
  }
}

/** The base class's own way in, which its types would call protected. */
function acceptSocket(server: DubboServer, socket: Socket): void {
  const method = '_handleSocket'
  ;(server as unknown as Record<typeof method, (socket: Socket) => void>)[method](socket)
}

const text = (value: unknown) => (typeof value === 'string' ? value : '')

const server = new DemoServer({
  logger: quietLogger,
  protocol: dubboProtocol,
  port: Number(port),
  maxIdleTime: 3_600_000,
})
server.addService(
  { interfaceName: DEMO_SERVICE, version: DEMO_VERSION },
  {
    async sayHello(this: { attachments: Attachments }, name: string): Promise<Greeting> {
      const { attachments } = this
      return {
        message: `Hello ${name}, response from provider group ${group}`,
        group,
        tracing: text(attachments['tracing']),
        revision: text(attachments['revision']),
      }
    },
  },
)

process.once('SIGTERM', () => process.exit(0))
process.once('SIGINT', () => process.exit(0))
process.once('disconnect', () => process.exit(0))
await server.start()
