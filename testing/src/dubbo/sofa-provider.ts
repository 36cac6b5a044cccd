/** A provider on sofa-rpc-node: the npm twin of testing/dubbo-java's Provider. */
import { setTimeout as after } from 'node:timers/promises'
import { endWithStdin, option, print } from './command-line.ts'
import { createServer, demoService, peerService } from './sofa.ts'

interface Context {
  readonly attachments: Readonly<Record<string, unknown>>
}

const name = option('name', 'sofa')
const port = Number(option('port', '12200'))
const version = option('version', '0.0.0')
let told = 0

const server = createServer(port)
server.addService(
  { interfaceName: demoService, version },
  { sayHello: async (who: string) => `Hello ${who}, response from ${name}` },
)
server.addService(
  { interfaceName: peerService, version },
  {
    async describe(this: Context, person: unknown) {
      return { provider: name, attachments: { ...this.attachments }, person: typeof person }
    },
    async fail(message: string) {
      throw new Error(message)
    },
    async tell() {
      told += 1
    },
    // js-remoting-for-apache-dubbo writes no result kind for 0.
    told: async () => (told === 0 ? '0' : told),
    async sleep(millis: number) {
      await after(millis)
      return `slept ${millis}`
    },
  },
)
await server.start()
print({ ready: port })
endWithStdin()
