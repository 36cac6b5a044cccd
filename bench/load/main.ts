/**
 * The load process, on Bun: load and backends in one, so that they share a core without switching between processes.
 * Reads one `LoadRequest` per line and answers each with one `Answer`.
 */
import { createInterface } from 'node:readline'
import { Backend } from './backend.ts'
import type { Answer, LoadRequest, Ready } from './protocol.ts'
import { LoadRun } from './run.ts'

const backends = { dubbo: new Backend('dubbo'), thrift: new Backend('thrift') }

const say = (line: Ready | Answer): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

say({
  backends: { dubbo: backends.dubbo.ports, thrift: backends.thrift.ports },
})
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as LoadRequest
  try {
    say({ result: await new LoadRun(request, backends[request.wire]).result() })
  } catch (error) {
    say({ error: error instanceof Error ? error.message : String(error) })
  }
}
process.exit(0)
