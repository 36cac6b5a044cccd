/** `/listeners`: `name::address` as Envoy has it, and what Envoy does not have: where it is really bound. */
import { formatAddress } from '../config/from-common.ts'
import { jsonPage, textPage, type AdminContext, type Page } from './context.ts'

export function listenersPage(context: AdminContext, query: URLSearchParams): Page {
  const { listeners } = context.runtime.snapshot()
  const warming = context.warming()
  const known = new Set(listeners.map(({ config }) => config.name))
  const waiting = [...warming].filter(([name]) => !known.has(name))
  if (query.get('format') === 'json') {
    return jsonPage({
      listener_statuses: [
        ...listeners.map((listener) => ({
          name: listener.config.name,
          local_address: socketAddress(listener.config.address),
          direction: listener.config.direction,
          state: listener.state,
          bound_address: listener.bound && socketAddress(listener.bound),
          substitute: isSubstitute(listener),
          connections: listener.connections,
          error: listener.error,
        })),
        ...waiting.map(([name, reason]) => ({ name, state: 'warming', waits_for: reason })),
      ],
    })
  }
  const lines = listeners.map((listener) => {
    const address = formatAddress(listener.config.address)
    const bound = listener.bound && formatAddress(listener.bound)
    const note = listener.error ?? (isSubstitute(listener) ? `bound on ${bound} instead` : undefined)
    return `${listener.config.name}::${address}${note === undefined ? '' : ` (${listener.state}: ${note})`}`
  })
  return textPage([...lines, ...waiting.map(([name, reason]) => `${name}::(warming: ${reason})`)].join('\n'))
}

function isSubstitute({
  bound,
  config,
}: {
  readonly bound: Bound
  readonly config: { readonly address: { readonly host: string } }
}): boolean {
  return bound !== undefined && bound.host !== config.address.host
}

type Bound = { readonly host: string; readonly port: number } | undefined

function socketAddress(address: { readonly host: string; readonly port: number }): unknown {
  return { socket_address: { address: address.host, port_value: address.port } }
}
