/** A consumer on dubbo2.js. It sends no attachments but version, group and its own. */
import { createRequire } from 'node:module'
import { option, serveCommands } from './command-line.ts'
import { demoService, peerService } from './sofa.ts'

type Method = (...values: readonly unknown[]) => Promise<{ res: unknown; err: Error | null }>

interface Directly {
  proxyService(options: {
    dubboInterface: string
    version: string
    group: string
    methods: Readonly<Record<string, (...values: readonly unknown[]) => readonly unknown[]>>
  }): Readonly<Record<string, Method>>
}

const require = createRequire(import.meta.url)
const { DirectlyDubbo } = require('dubbo2.js') as {
  DirectlyDubbo: { from(options: object): Directly }
}
const java = require('js-to-java') as { String(text: unknown): unknown; int(value: unknown): unknown }

const dubbo = DirectlyDubbo.from({
  dubboAddress: option('address', ''),
  dubboVersion: '2.0.2',
  dubboInvokeTimeout: Number(option('timeout', '20000')) / 1000,
})
const service = { version: option('version', '0.0.0'), group: option('group', '') }
const demo = dubbo.proxyService({
  ...service,
  dubboInterface: demoService,
  methods: { sayHello: (who) => [java.String(who)] },
})
const peer = dubbo.proxyService({
  ...service,
  dubboInterface: peerService,
  methods: {
    describe: () => [{ $class: 'io.aeraki.testing.dubbo.Person', $: null }],
    fail: (message) => [java.String(message)],
    sleep: (millis) => [java.int(millis)],
    told: () => [],
  },
})

const parameters: Readonly<Record<string, readonly unknown[]>> = { sayHello: ['world'], fail: ['no way'], sleep: [500] }

await serveCommands(async (method) => {
  const call = method === 'sayHello' ? demo['sayHello'] : peer[method]
  if (call === undefined) throw new Error(`no method ${method}`)
  const { res, err } = await call(...(parameters[method] ?? []))
  if (err) throw err
  return { value: res }
})
