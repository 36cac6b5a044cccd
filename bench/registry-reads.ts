/**
 * How each registry's connector bears many services: `node --expose-gc bench/registry-reads.ts TYPE [SERVICES]`, TYPE being
 * etcd, consul, eureka or nacos, against the real server. Tells how long and how costly the first read is, how many
 * connections it takes at most, what a quiet registry costs, and how soon one change is known.
 */
import { parseBridgeConfig } from '../packages/registries/src/bridge/config.ts'
import { createBridge } from '../packages/registries/src/bridge/bridge.ts'
import { consulAgent, etcdServer, eurekaServer, nacosServer, type ServerProcess } from '../testing/src/index.ts'

interface Filled {
  readonly server: ServerProcess
  /** Its entry of `registries:`. */
  readonly settings: object
  /** Registers instance `10.0.0.<instance>` of a service. */
  readonly register: (service: string, instance: number) => Promise<void>
}

const quietSeconds = 20

const [type = '', count = '10000'] = process.argv.slice(2)
const services = Number(count)

async function ask(url: string, method: string, body?: object): Promise<void> {
  const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  const answer = await fetch(url, { method, ...init })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`)
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

const types: Readonly<Record<string, () => Promise<Filled>>> = {
  async etcd() {
    const server = await etcdServer()
    await server.start()
    return {
      server,
      settings: { servers: [server.address], read: ['interfaces'] },
      async register(service, instance) {
        const url = `dubbo://10.0.0.${instance}:20880/${service}?interface=${service}&application=shop&side=provider`
        const key = `/dubbo/${service}/providers/${encodeURIComponent(url)}`
        await ask(`http://${server.address}/v3/kv/put`, 'POST', { key: base64(key), value: base64('-') })
      },
    }
  },
  async consul() {
    const server = await consulAgent()
    await server.start()
    return {
      server,
      settings: { address: server.url },
      async register(service, instance) {
        const Service = { ID: `${service}-${instance}`, Service: service, Address: `10.0.0.${instance}`, Port: 8080 }
        await ask(`${server.url}/v1/catalog/register`, 'PUT', { Node: 'apps', Address: '10.0.0.1', Service })
      },
    }
  },
  async eureka() {
    const server = await eurekaServer()
    await server.start()
    await until(
      async () =>
        await fetch(`${server.url}/apps`).then(
          ({ ok }) => ok,
          () => false,
        ),
    )
    return {
      server,
      settings: { servers: [server.url] },
      async register(service, instance) {
        await ask(`${server.url}/apps/${service}`, 'POST', {
          instance: {
            instanceId: `${service}-${instance}`,
            app: service,
            hostName: `10.0.0.${instance}`,
            ipAddr: `10.0.0.${instance}`,
            vipAddress: service,
            status: 'UP',
            port: { $: 8080, '@enabled': true },
            dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
            leaseInfo: { renewalIntervalInSecs: 300, durationInSecs: 9000 },
          },
        })
      },
    }
  },
  async nacos() {
    const server = await nacosServer()
    await server.start()
    return {
      server,
      settings: { servers: [server.url] },
      async register(serviceName, instance) {
        const metadata = { 'preserved.heart.beat.timeout': '6000000', 'preserved.ip.delete.timeout': '6000000' }
        const query = new URLSearchParams({
          serviceName,
          ip: `10.0.0.${instance}`,
          port: '8080',
          metadata: JSON.stringify(metadata),
        })
        const url = `${server.url}/nacos/v1/ns/instance?${query.toString()}`
        // It takes connections before it takes instances.
        await until(
          async () =>
            await ask(url, 'POST').then(
              () => true,
              () => false,
            ),
        )
      },
    }
  },
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 600_000; !(await condition());) {
    if (Date.now() > end) throw new Error('in vain')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function memory(): { heap: string; resident: string } {
  globalThis.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  return { heap: `${Math.round(heapUsed / 1e6)} MB`, resident: `${Math.round(rss / 1e6)} MB` }
}

const sockets = (): number => process.getActiveResourcesInfo().filter((what) => what === 'TCPSocketWrap').length

const nameOf = (index: number): string => `org.demo.service${index % 100}.Api${index}`

const setUp = types[type]
if (setUp === undefined) throw new Error(`give one of ${Object.keys(types).join(', ')}`)
const { server, settings, register } = await setUp()
try {
  const batch = 32
  for (let start = 0; start < services; start += batch) {
    const some = Array.from({ length: Math.min(batch, services - start) }, (_, offset) => nameOf(start + offset))
    await Promise.all(some.map((name) => register(name, 1)))
  }
  console.error(`${services} services registered; ${JSON.stringify(memory())}`)
  // Until those that registered them have hung up.
  await until(() => sockets() === 0)
  let mostSockets = 0
  const sampling = setInterval(() => {
    mostSockets = Math.max(mostSockets, sockets())
  }, 20)
  const config = { namespace: 'shop', registries: [{ type, ...settings }] }
  const bridge = createBridge(parseBridgeConfig(JSON.stringify(config), 'bench'))
  const [startedAt, cpuAtStart] = [performance.now(), cpuMs()]
  await bridge.start()
  const [firstReadMs, firstCpuMs] = [performance.now() - startedAt, cpuMs() - cpuAtStart]
  const read = [...bridge.services()].length
  clearInterval(sampling)
  const afterRead = memory()
  const cpuAtQuiet = cpuMs()
  await new Promise((resolve) => setTimeout(resolve, quietSeconds * 1000))
  const quietCpu = cpuMs() - cpuAtQuiet
  const quietSockets = sockets()
  const changed = nameOf(Math.floor(services / 2))
  const changedAt = performance.now()
  await register(changed, 2)
  const has = (): boolean =>
    [...bridge.services()].some(
      ({ interface: name, instances }) => name.toLowerCase() === changed.toLowerCase() && instances.length === 2,
    )
  await until(has)
  const result = {
    services: read,
    firstRead: `${Math.round(firstReadMs)} ms, ${Math.round(firstCpuMs)} ms of CPU`,
    connections: { reading: mostSockets, quiet: quietSockets },
    ...afterRead,
    quiet: `${(quietCpu / quietSeconds).toFixed(1)} ms of CPU a second`,
    changeKnownAfter: `${Math.round(performance.now() - changedAt)} ms`,
    afterAll: memory(),
  }
  console.log(JSON.stringify({ type, ...result }, null, 2))
  await bridge.close()
} finally {
  await server.close()
}
process.exit(0)
