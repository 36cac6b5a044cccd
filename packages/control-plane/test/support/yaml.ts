/** Small YAML documents for tests. */
export interface EntryOptions {
  readonly host?: string
  readonly name?: string
  readonly namespace?: string
  readonly port?: string
  /** Port name to number; instead of `port`, which is 20880. */
  readonly ports?: Readonly<Record<string, number>>
  readonly addresses?: readonly string[]
  /** More fields of the spec, as they stand in flow style: `exportTo: [.]`. */
  readonly spec?: readonly string[]
  readonly endpoints?: readonly string[]
}

export function serviceEntry(options: EntryOptions): string {
  const { host = 'orders.shop.example', namespace = 'default', port = 'tcp-dubbo', addresses, spec = [] } = options
  const ports = Object.entries(options.ports ?? { [port]: 20880 }).map(
    ([name, number]) => `{number: ${number}, name: ${name}, protocol: TCP}`,
  )
  const endpoints = options.endpoints ?? ['{address: 127.0.0.2, labels: {version: v1}}']
  const fields = [
    `hosts: ["${host}"]`,
    ...(addresses === undefined ? [] : [`addresses: [${addresses.map((address) => `"${address}"`).join(', ')}]`]),
    `ports: [${ports.join(', ')}]`,
    'resolution: STATIC',
    ...(spec.some((field) => field.startsWith('workloadSelector')) ? [] : [`endpoints: [${endpoints.join(', ')}]`]),
    ...spec,
  ]
  const name = options.name ?? host.replaceAll('.', '-').replaceAll('*', 'any')
  return `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: ${namespace}}
spec:
${fields.map((field) => `  ${field}\n`).join('')}`
}
