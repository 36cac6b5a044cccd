/** A server in a process of its own, which a test can kill: `server.ts PORT REVISION`. Prints its port. */
import { createAdsServer, StaticProvider, typeUrls } from '../../src/index.ts'
import { item } from '../resources.ts'

const [port = '0', revision = '1'] = process.argv.slice(2)
const provider = new StaticProvider()
provider.set(item(typeUrls.cluster, 'same'), item(typeUrls.cluster, 'changes', revision))
const server = await createAdsServer({ provider, listen: { host: '127.0.0.1', port: Number(port) } })
console.log(server.address.port)
