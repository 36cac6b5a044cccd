/** grpc-js with its xDS client: for every line on stdin calls the target once, and prints the reply or "!CODE". */
import { createInterface } from 'node:readline'
import { Client, credentials } from '@grpc/grpc-js'
import { register } from '@grpc/grpc-js-xds'

register()
const client = new Client(process.argv[2] ?? '', credentials.createInsecure())
const same = (bytes: Buffer): Buffer => bytes

for await (const _ of createInterface({ input: process.stdin })) {
  console.log(await call())
}
client.close()

async function call(): Promise<string> {
  return await new Promise((resolve) => {
    const deadline = Date.now() + 2000
    client.makeUnaryRequest('/test.Echo/Name', same, same, Buffer.alloc(0), { deadline }, (error, reply) => {
      resolve(error === null ? String(reply) : `!${error.code} ${error.details}`)
    })
  })
}
