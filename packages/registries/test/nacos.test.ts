/** Of Nacos' two HTTP interfaces, and of its services. interop/ has the real servers of both. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { NacosClient } from '../src/nacos/client.ts'
import { v1, v3 } from '../src/nacos/dialect.ts'
import { isOfInterest, readService } from '../src/nacos/services.ts'
import { serverUrl } from '../src/nacos/settings.ts'

const name = { namespace: '', group: 'DEFAULT_GROUP', service: 'shop' }

function read(instance: object, service = 'shop', place: object = {}) {
  const whole = { ip: '10.0.0.1', port: 8080, weight: 1, healthy: true, enabled: true, metadata: {}, ...instance }
  return readService({ ...name, service, ...place }, [whole], new Map())
}

test('an instance becomes an endpoint of its service', () => {
  const [registration] = read({ metadata: { lane: 'blue', 'preserved.register.source': 'SPRING_CLOUD' } }).registrations
  assert.equal(registration?.host, 'shop')
  assert.deepEqual(registration.port, { protocol: 'http', number: 8080 })
  assert.deepEqual(registration.labels, { lane: 'blue' })
  assert.equal(read({}, 'shop', { namespace: 'dev', group: 'SALES' }).registrations[0]?.host, 'shop.sales.dev')
})

test("Dubbo's service names carry the version and group where the metadata does not", () => {
  const service = 'providers:org.demo.Api:1.0.0:blue'
  const [bare] = read({}, service).registrations
  assert.deepEqual([bare?.host, bare?.rank, bare?.port.protocol], ['org.demo.api-blue-1-0-0', 1, 'dubbo'])
  const metadata = { interface: 'org.demo.Api', version: '2.0.0', group: 'green', protocol: 'tri' }
  const [full] = read({ metadata }, service).registrations
  assert.deepEqual([full?.host, full?.port.protocol], ['org.demo.api-green-2-0-0', 'tri'])
  assert.equal(read({}, 'providers:org.demo.Api::').registrations[0]?.host, 'org.demo.api')
  assert.ok(!isOfInterest({ ...name, service: 'consumers:org.demo.Api::' }))
})

test('weight, enabled and healthy say how much traffic an instance gets', () => {
  assert.equal(read({ weight: 2.5 }).registrations[0]?.weight, 250)
  assert.equal(read({ metadata: { weight: '30' } }).registrations[0]?.weight, 30)
  assert.equal(read({ weight: 0 }).rejections[0]?.code, 'REGISTRATION_DISABLED')
  assert.equal(read({ enabled: false }).rejections[0]?.code, 'REGISTRATION_DISABLED')
  assert.equal(read({ healthy: false }).registrations[0]?.health, 'unhealthy')
})

test('broken instances are rejected with a reason, and nothing else suffers', () => {
  assert.equal(read({ ip: 'somewhere' }).rejections[0]?.code, 'REGISTRATION_ADDRESS')
  assert.equal(read({ port: 70_000 }).rejections[0]?.code, 'REGISTRATION_PORT')
  assert.equal(read({}, 'a b').rejections[0]?.code, 'REGISTRATION_HOST')
  assert.equal(read({ metadata: { 'dubbo.metadata.revision': 'x' } }).rejections[0]?.code, 'REGISTRATION_NO_METADATA')
  const mixed = readService(name, ['x', null, { ip: '10.0.0.1', port: 1 }], new Map())
  assert.deepEqual([mixed.registrations.length, mixed.rejections.length], [1, 2])
})

test('both interfaces say what there is', () => {
  const services = [{ name: 'shop', groupName: 'G' }, { name: 7 }, 'x']
  const read1 = v1.readServices({ count: 9, serviceList: services })
  const read3 = v3.readServices({ code: 0, data: { totalCount: 9, pageItems: services } })
  assert.deepEqual(read1, { total: 9, services: [{ group: 'G', service: 'shop' }] })
  assert.deepEqual(read3, read1)
  assert.deepEqual(v1.readInstances({ hosts: [1] }), [1])
  assert.deepEqual(v3.readInstances({ code: 0, data: [1] }), [1])
  assert.deepEqual(v1.readNamespaces({ data: [{ namespace: '' }, { namespace: 'dev' }] }), ['', 'dev'])
  assert.deepEqual(v3.readNamespaces({ code: 0, data: [{ namespace: 'public' }, { namespace: 'dev' }] }), ['', 'dev'])
  const page = { totalCount: 2, pageItems: [{ dataId: 'I', content: 'a,b' }, { dataId: 'J' }, 'x'] }
  const configs = [
    { dataId: 'I', content: 'a,b' },
    { dataId: 'J', content: undefined },
  ]
  assert.deepEqual(v1.readConfigs(page), { total: 2, configs })
  assert.deepEqual(v3.readConfigs({ code: 0, data: page }), { total: 2, configs })
  assert.equal(v3.readConfig('{"code":0,"data":{"content":"text"}}'), 'text')
  assert.equal(v3.readConfig('{"code":20004,"message":"resource not found","data":null}'), undefined)
  assert.throws(() => v3.readInstances({ code: 20004, message: 'no such service' }), /20004: no such service/)
  assert.throws(() => v1.readServices({}), /no list/)
  assert.equal(serverUrl('http://h:8848'), 'http://h:8848/nacos')
  assert.equal(serverUrl('https://h/registry/'), 'https://h/registry')
})

test('the interface of version 3 is used where the server has it, with its token, page by page', async (context) => {
  const asked: string[] = []
  const server = createServer((request: IncomingMessage, answer) => {
    const url = new URL(request.url ?? '', 'http://host')
    asked.push(`${request.method} ${url.pathname}`)
    const send = (data: unknown, status = 200): void => {
      answer.writeHead(status).end(JSON.stringify(data))
    }
    if (url.pathname === '/nacos/v3/auth/user/login') return send({ accessToken: 't', tokenTtl: 18_000 })
    if (request.headers.authorization !== 'Bearer t') return send({ code: 403, message: 'user not found' }, 403)
    if (url.pathname === '/nacos/v3/admin/core/namespace/list') {
      return send({ code: 0, message: 'success', data: [{ namespace: 'public' }] })
    }
    if (url.searchParams.get('namespaceId') !== 'public') return send({ code: 10_000, message: 'no namespace' }, 400)
    if (url.pathname === '/nacos/v3/admin/ns/service/list') {
      const page = Number(url.searchParams.get('pageNo'))
      const items = Array.from({ length: page < 3 ? 500 : 1 }, (_, index) => ({
        name: `s${page}-${index}`,
        groupName: 'G',
      }))
      return send({ code: 0, data: { totalCount: 1001, pageNumber: page, pagesAvailable: 3, pageItems: items } })
    }
    return send({ code: 20004, message: 'not found' }, 404)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  context.after(() => server.close())
  const { port } = server.address() as { port: number }
  const client = await NacosClient.open({
    server: `http://127.0.0.1:${port}/nacos`,
    tls: undefined,
    credentials: { username: 'nacos', password: 'nacos' },
    connections: 2,
    signal: new AbortController().signal,
    onAnswer: () => undefined,
  })
  context.after(() => client.close())
  assert.deepEqual(await client.namespaces(), [''])
  const names = new Set<string>()
  for await (const { service } of client.services('')) names.add(service)
  assert.equal(names.size, 1001)
  assert.deepEqual(await client.instances(name), [])
  assert.equal(await client.config('', 'r1', 'shop'), undefined)
  assert.equal(asked.filter((each) => each.startsWith('POST')).length, 1)
})

test('where nobody has to log in, a refused login or an empty token does no harm; elsewhere it is told', async (context) => {
  let login = { status: 403, body: '{}' }
  let open = true
  const tokens: (string | undefined)[] = []
  const server = createServer((request: IncomingMessage, answer) => {
    const { pathname } = new URL(request.url ?? '', 'http://host')
    if (pathname === '/nacos/v1/auth/login') return void answer.writeHead(login.status).end(login.body)
    if (pathname.startsWith('/nacos/v3/')) return void answer.writeHead(404).end()
    tokens.push(request.headers.authorization)
    return void answer.writeHead(open ? 200 : 403).end('{"hosts":[]}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  context.after(() => server.close())
  const { port } = server.address() as { port: number }
  const connect = async (): Promise<void> => {
    const client = await NacosClient.open({
      server: `http://127.0.0.1:${port}/nacos`,
      tls: undefined,
      credentials: { username: 'nacos', password: 'nacos' },
      connections: 2,
      signal: new AbortController().signal,
      onAnswer: () => undefined,
    })
    assert.deepEqual(await client.instances(name), [])
    assert.equal(await client.token(), undefined)
    client.close()
  }
  await connect()
  login = { status: 200, body: '{"accessToken":"","tokenTtl":18000}' }
  await connect()
  assert.deepEqual(new Set(tokens), new Set([undefined]))
  login = { status: 403, body: '{}' }
  open = false
  await assert.rejects(connect(), /user or password is wrong/)
})
