/** Names of resources. They are a wire contract: Istio's, and Aeraki's for routes. */

export function outboundCluster(port: number, subset: string, host: string): string {
  return `outbound|${port}|${subset}|${host}`
}

export function inboundCluster(port: number): string {
  return `inbound|${port}||`
}

/** To where the client meant to go, outside the mesh. */
export const passthrough = 'PassthroughCluster'

/** To the workload's own port that the client meant. */
export const inboundPassthrough = 'InboundPassthroughCluster'

export function routeName(host: string, port: number): string {
  return `${host}_${port}`
}

export function outboundListener(address: string, port: number): string {
  return `${address}_${port}`
}

export function inboundListener(address: string, port: number): string {
  return `inbound_${address}_${port}`
}

export type ClusterName =
  | { readonly direction: 'outbound'; readonly port: number; readonly subset: string; readonly host: string }
  | { readonly direction: 'inbound'; readonly port: number }

export function parseCluster(name: string): ClusterName | undefined {
  const [direction, port = '', subset = '', host = '', ...rest] = name.split('|')
  if (rest.length > 0 || !/^\d{1,5}$/.test(port)) return undefined
  if (direction === 'outbound' && host !== '') return { direction, port: Number(port), subset, host }
  if (direction === 'inbound' && host === '' && subset === '') return { direction, port: Number(port) }
  return undefined
}

export function parseRouteName(name: string): { readonly host: string; readonly port: number } | undefined {
  const at = name.lastIndexOf('_')
  const port = name.slice(at + 1)
  return at > 0 && /^\d{1,5}$/.test(port) ? { host: name.slice(0, at), port: Number(port) } : undefined
}

export type ListenerName = {
  readonly direction: 'outbound' | 'inbound'
  readonly address: string
  readonly port: number
}

export function parseListener(name: string): ListenerName | undefined {
  const match = /^(inbound_)?(.+)_(\d{1,5})$/.exec(name)
  if (match?.[2] === undefined) return undefined
  return { direction: match[1] === undefined ? 'outbound' : 'inbound', address: match[2], port: Number(match[3]) }
}
