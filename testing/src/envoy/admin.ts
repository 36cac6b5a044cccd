/** The admin pages of an Envoy, or of a proxy that has Envoy's. */
export interface EnvoyAdmin {
  /** `http://127.0.0.1:port`. */
  readonly url: string
  get(path: string): Promise<string>
  /** Values of counters and gauges by name, those that the pattern matches. */
  stats(pattern: string): Promise<ReadonlyMap<string, number>>
  /** Of the listeners that are there: addresses by name. */
  listeners(): Promise<ReadonlyMap<string, { readonly address: string; readonly port: number }>>
}

export function envoyAdmin(url: string): EnvoyAdmin {
  const get = async (path: string): Promise<string> => await (await fetch(url + path)).text()
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

interface ListenersPage {
  readonly listener_statuses?: readonly {
    readonly name: string
    readonly local_address?: { readonly socket_address: { readonly address: string; readonly port_value: number } }
  }[]
}
