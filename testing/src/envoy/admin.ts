/** The admin pages of an Envoy, or of a proxy that has Envoy's. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export interface EnvoyAdmin {
  /** `http://127.0.0.1:port`. */
  readonly url: string
  get(path: string): Promise<string>
  /** Values of counters and gauges by name, those that the pattern matches. */
  stats(pattern: string): Promise<ReadonlyMap<string, number>>
  /** Of the listeners that are there: addresses by name. */
  listeners(): Promise<ReadonlyMap<string, { readonly address: string; readonly port: number }>>
}

/** `prefix`: what stands before a command that can reach it, where this process can't. */
export function envoyAdmin(url: string, prefix: readonly string[] = []): EnvoyAdmin {
  const get = async (path: string): Promise<string> =>
    prefix.length === 0 ? await (await fetch(url + path)).text() : await fetchBy(prefix, url + path)
  return {
    url,
    get,
    async stats(pattern) {
      const text = await get(`/stats?filter=${encodeURIComponent(pattern)}`)
      const lines = text.split('\n').map((line) => /^(.*): (\d+)$/.exec(line))
      return new Map(lines.flatMap((match) => (match === null ? [] : [[match[1] ?? '', Number(match[2])] as const])))
    },
    async listeners() {
      const { listener_statuses: statuses = [] } = JSON.parse(await get('/listeners?format=json')) as ListenersPage
      return new Map(
        statuses.flatMap(({ name, local_address: local }) => {
          const at = local?.socket_address
          return at === undefined ? [] : [[name, { address: at.address, port: at.port_value }] as const]
        }),
      )
    },
  }
}

async function fetchBy([command = '', ...args]: readonly string[], url: string): Promise<string> {
  const script = 'process.stdout.write(await (await fetch(process.argv[1])).text())'
  const node = [process.execPath, '--input-type=module', '-e', script, url]
  return (await promisify(execFile)(command, [...args, ...node])).stdout
}

interface ListenersPage {
  readonly listener_statuses?: readonly {
    readonly name: string
    readonly local_address?: { readonly socket_address: { readonly address: string; readonly port_value: number } }
  }[]
}
