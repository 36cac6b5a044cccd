/**
 * Records what Apache Dubbo's own consumer and provider say to each other, into golden/. Run by hand when the Java peers
 * change: `node packages/protocols/test/dubbo/capture.ts`. The frames are committed, so that tests need no Java.
 */
import { writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type DubboMethod, startDubboConsumer, startDubboProvider } from '@aeraki/testing'

const folder = join(dirname(fileURLToPath(import.meta.url)), 'golden')
const methods: readonly DubboMethod[] = ['sayHello', 'describe', 'fail', 'tell', 'mixed']

let requests = Buffer.alloc(0)
let responses = Buffer.alloc(0)

const providerPort = 28_871
const provider = await startDubboProvider('java', { port: providerPort, name: 'golden' })
const tee = createServer((client) => {
  const server = connect(providerPort, '127.0.0.1')
  client.on('data', (bytes: Buffer) => {
    requests = Buffer.concat([requests, bytes])
    server.write(bytes)
  })
  server.on('data', (bytes: Buffer) => {
    responses = Buffer.concat([responses, bytes])
    client.write(bytes)
  })
  client.on('close', () => server.destroy())
  server.on('close', () => client.destroy())
})
await new Promise<void>((resolve) => tee.listen(0, '127.0.0.1', resolve))
const address = `127.0.0.1:${(tee.address() as AddressInfo).port}`

for (const serialization of ['hessian2', 'fastjson2'] as const) {
  const consumer = await startDubboConsumer('java', { address, serialization })
  for (const method of methods) {
    const calls = await consumer.call(method, { attachments: { batchJob: 'true', user: 'ä😀' } })
    console.error(serialization, method, JSON.stringify(calls).slice(0, 3000))
    save(`${serialization}-${method}-request`, requests)
    if (method !== 'tell') save(`${serialization}-${method}-response`, responses)
    requests = Buffer.alloc(0)
    responses = Buffer.alloc(0)
  }
  await consumer.stop()
}
await provider.stop()
if (responses.length > 0) writeFileSync(join(folder, 'hessian2-readonly-event.bin'), responses)
tee.close()

function save(name: string, bytes: Buffer): void {
  const length = 16 + bytes.readUInt32BE(12)
  if (length !== bytes.length) console.error(`${name}: ${bytes.length - length} bytes more than one frame`)
  writeFileSync(join(folder, `${name}.bin`), bytes.subarray(0, length))
}
