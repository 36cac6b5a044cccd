/** A consumer on sofa-rpc-node: the npm twin of testing/dubbo-java's Consumer. */
import { option, serveCommands } from './command-line.ts'
import { type Consumer, createClient, demoService, peerService } from './sofa.ts'

const consumers = new Map<string, Consumer>()

const parameters: Readonly<Record<string, readonly unknown[]>> = {
  sayHello: ['world'],
  describe: [{ $class: 'io.aeraki.testing.dubbo.Person', $: null }],
  fail: ['no way'],
  sleep: [500],
}

async function consumerOf(interfaceName: string): Promise<Consumer> {
  let consumer = consumers.get(interfaceName)
  if (consumer === undefined) {
    consumer = createClient().createConsumer({
      interfaceName,
      version: option('version', '0.0.0'),
      group: option('group', ''),
      serverHost: option('address', ''),
      responseTimeout: Number(option('timeout', '20000')),
    })
    consumers.set(interfaceName, consumer)
    await consumer.ready()
  }
  return consumer
}

await serveCommands(async (method, attachments) => {
  const consumer = await consumerOf(method === 'sayHello' ? demoService : peerService)
  return { value: await consumer.invoke(method, parameters[method] ?? [], { requestProps: attachments }) }
})
