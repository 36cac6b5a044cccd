/**
 * Light xDS clients, in a process of their own: node clients.ts TARGET COUNT TABLE...
 * Each has a stream of its own and subscribes to these route tables. Prints a line of JSON whenever the last of them
 * has taken a version of the first table: `{"version", "at"}`, milliseconds since 1970.
 */
import { create } from '@bufbuild/protobuf'
import { createAdsClient, typeUrls } from '@aeraki/xds'
import { NodeSchema } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'

export interface Taken {
  readonly version: string
  readonly at: number
}

const [target = '', count = '0', ...tables] = process.argv.slice(2)
const clients = Number(count)
const takenBy = new Map<string, number>()

for (let index = 0; index < clients; index += 1) {
  const id = `sidecar~127.200.255.254~light-${index}.default~default.svc.cluster.local`
  const client = createAdsClient({
    target,
    variant: 'delta',
    node: create(NodeSchema, { id, cluster: 'default', metadata: { NAMESPACE: 'default' } }),
    handler: {
      onState: () => undefined,
      onUpdate: async (_typeUrl, { changed }) => {
        for (const { name, version } of changed) if (name === tables[0]) took(version)
      },
    },
  })
  client.subscribe(typeUrls.routes, tables)
}

function took(version: string): void {
  const taken = (takenBy.get(version) ?? 0) + 1
  takenBy.set(version, taken)
  if (taken < clients) return
  takenBy.delete(version)
  const line: Taken = { version, at: performance.timeOrigin + performance.now() }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
