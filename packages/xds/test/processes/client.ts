/** A client in a process of its own: `client.ts PORT VARIANT PING_MS`. Prints each update and state as a line; refuses "bad". */
import { createAdsClient, typeUrls } from '../../src/index.ts'
import { Recorder } from '../recorder.ts'
import { node } from '../resources.ts'

class Printer extends Recorder {
  override async onUpdate(...update: Parameters<Recorder['onUpdate']>): Promise<void> {
    await super.onUpdate(...update).finally(() => console.log(this.updates.at(-1)))
  }

  override onState(state: Parameters<Recorder['onState']>[0]): void {
    console.log(state.kind)
  }
}

const [port = '', variant = '', pingMs = '30000'] = process.argv.slice(2)
const handler = new Printer()
handler.refused.add('bad')
const client = createAdsClient({
  target: `127.0.0.1:${port}`,
  node: node('child'),
  variant: variant === 'delta' ? 'delta' : 'state-of-the-world',
  backoff: { baseMs: 5, maxMs: 50 },
  keepalive: { intervalMs: Number(pingMs), timeoutMs: Number(pingMs) },
  handler,
})
client.subscribe(typeUrls.cluster, '*')
process.stdin.once('end', () => void client.close())
process.stdin.resume()
