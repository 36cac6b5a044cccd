/** The real servers, each with what it takes to fill it with services of one kind and to change them, at speed. */
import {
  consulAgent,
  etcdServer,
  eurekaServer,
  type NacosServer,
  nacosServer,
  type ServerProcess,
  zookeeperServer,
} from '@aeraki/testing'
import { zookeeperWriter } from './zookeeper-writer.ts'

export interface Fillable {
  /** Its entry of `registries:`. */
  readonly settings: object
  register(service: string, address: string, port: number): Promise<void>
  /** An instance is on another port from now on. */
  move(service: string, address: string, from: number, to: number): Promise<void>
  /** Ends the server, too. */
  close(): Promise<void>
}

export type FillableType = 'zookeeper' | 'etcd' | 'consul' | 'eureka' | 'nacos' | 'nacos3'

/** Serves, and is empty. @throws Error where the type is none of them, as one from a command line may be */
export async function startFillable(type: FillableType): Promise<Fillable> {
  const start = Object.hasOwn(starters, type) ? starters[type] : undefined
  if (start === undefined) throw new Error(`"${type}" is none of ${Object.keys(starters).join(', ')}`)
  return await start()
}

const starters: Readonly<Record<FillableType, () => Promise<Fillable>>> = {
  zookeeper: startZookeeper,
  etcd: startEtcd,
  consul: startConsul,
  eureka: startEureka,
  nacos: () => startNacos(2),
  nacos3: () => startNacos(3),
}

/** Of a Dubbo provider: changed, it is another one. */
function providerNode(service: string, address: string, port: number): string {
  const parameters = `interface=${service}&application=shop&version=&side=provider&dubbo=2.0.2&service_group=user`
  return `/dubbo/${service}/providers/${encodeURIComponent(`dubbo://${address}:${port}/${service}?${parameters}`)}`
}

async function startZookeeper(): Promise<Fillable> {
  const server = await zookeeperServer({ heap: '2g', tickTime: 3000 })
  await server.start()
  const servers = [`127.0.0.1:${server.port}`]
  const writer = await zookeeperWriter(servers.join())
  const known = new Set<string>()
  return {
    settings: { type: 'zookeeper', servers, read: ['interfaces'] },
    async register(service, address, port) {
      const node = providerNode(service, address, port)
      if (known.has(service)) return await writer.createBare(node)
      await writer.create(node)
      known.add(service)
    },
    async move(service, address, from, to) {
      const [before, after] = [providerNode(service, address, from), providerNode(service, address, to)]
      await Promise.all([writer.createBare(after), writer.remove(before)])
    },
    async close() {
      writer.close()
      await server.close()
    },
  }
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const put = (key: string): object => ({ key: base64(key), value: base64('-') })

async function startEtcd(): Promise<Fillable> {
  const server = await started(await etcdServer())
  const kv = `http://${server.address}/v3/kv`
  return {
    settings: { type: 'etcd', servers: [server.address], read: ['interfaces'] },
    async register(service, address, port) {
      await ask(`${kv}/put`, 'POST', put(providerNode(service, address, port)))
    },
    async move(service, address, from, to) {
      const [before, after] = [providerNode(service, address, from), providerNode(service, address, to)]
      await Promise.all([
        ask(`${kv}/put`, 'POST', put(after)),
        ask(`${kv}/deleterange`, 'POST', { key: base64(before) }),
      ])
    },
    close: () => server.close(),
  }
}

async function startConsul(): Promise<Fillable> {
  const server = await started(await consulAgent())
  async function register(service: string, address: string, port: number): Promise<void> {
    const Service = { ID: `${service}-${address}`, Service: service, Address: address, Port: port }
    await ask(`${server.url}/v1/catalog/register`, 'PUT', { Node: 'apps', Address: '10.0.0.1', Service })
  }
  return {
    settings: { type: 'consul', address: server.url },
    register,
    move: (service, address, _from, to) => register(service, address, to),
    close: () => server.close(),
  }
}

async function startEureka(): Promise<Fillable> {
  const server = await started(await eurekaServer())
  await untilTrue(async () => (await fetch(`${server.url}/apps`)).ok)
  async function register(service: string, address: string, port: number): Promise<void> {
    await ask(`${server.url}/apps/${service}`, 'POST', {
      instance: {
        instanceId: `${service}-${address}`,
        app: service,
        hostName: address,
        ipAddr: address,
        vipAddress: service,
        status: 'UP',
        port: { $: port, '@enabled': true },
        dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
        leaseInfo: { renewalIntervalInSecs: 300, durationInSecs: 9000 },
        // Of two registrations of an instance, the later one counts.
        lastDirtyTimestamp: String(Date.now()),
      },
    })
  }
  return {
    settings: { type: 'eureka', servers: [server.url] },
    register,
    move: (service, address, _from, to) => register(service, address, to),
    close: () => server.close(),
  }
}

/** Nobody renews these. */
const patient = { 'preserved.heart.beat.timeout': '6000000', 'preserved.ip.delete.timeout': '6000000' }

async function startNacos(release: 2 | 3): Promise<Fillable> {
  const server: NacosServer = await started(await nacosServer({ release }))
  const path = release === 2 ? '/v1/ns/instance' : '/v3/client/ns/instance'
  async function send(method: string, serviceName: string, ip: string, port: number): Promise<void> {
    const query = new URLSearchParams({ serviceName, ip, port: String(port), metadata: JSON.stringify(patient) })
    await ask(`${server.url}/nacos${path}?${query.toString()}`, method)
  }
  // It takes connections before it takes instances.
  await untilTrue(async () => {
    await send('POST', 'first', '10.0.0.1', 1)
    await send('DELETE', 'first', '10.0.0.1', 1)
    return true
  })
  return {
    settings: { type: 'nacos', servers: [server.url] },
    register: (service, address, port) => send('POST', service, address, port),
    async move(service, address, from, to) {
      await send('POST', service, address, to)
      await send('DELETE', service, address, from)
    },
    close: () => server.close(),
  }
}

async function started<Server extends ServerProcess>(server: Server): Promise<Server> {
  await server.start()
  return server
}

async function ask(url: string, method: string, body?: object): Promise<void> {
  const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  const answer = await fetch(url, { method, ...init })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`)
}

async function untilTrue(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 120_000
  for (;;) {
    try {
      if (await condition()) return
    } catch (error) {
      if (Date.now() > end) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
