/** A folder of resources for the control plane: many services with a rule each, and one whose rule changes. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The service whose rule changes: at `address`, with two versions. */
export interface ChangingService {
  readonly host: string
  readonly address: string
  readonly port: number
}

const perFile = 100
/** Not one that anything else on the machine listens on. */
const servicePort = 28_880

export const changing: ChangingService = { host: 'changing.bench', address: '127.200.255.1', port: servicePort }

export function hostOf(index: number): string {
  return `service-${index}.bench`
}

/** Name of a service's route table. */
export function routeTableOf(host: string): string {
  return `${host}_${servicePort}`
}

/** Writes `count` services, the changing one among them, whose versions are at these ports. */
export function writeMesh(folder: string, count: number, ports: readonly [number, number]): void {
  mkdirSync(folder, { recursive: true })
  for (let from = 0; from < count - 1; from += perFile) {
    const objects: string[] = []
    for (let index = from; index < Math.min(from + perFile, count - 1); index += 1) {
      objects.push(serviceEntry(index), virtualService(`rule-${index}`, hostOf(index), hostOf(index), undefined))
    }
    writeFileSync(join(folder, `services-${from / perFile}.yaml`), objects.join('---\n'))
  }
  writeFileSync(join(folder, 'changing.yaml'), changingService(ports))
  writeRule(folder, 0)
}

/** All requests to this version (0 or 1) from now on. */
export function writeRule(folder: string, version: number): void {
  const path = join(folder, 'rule.yaml')
  writeFileSync(`${path}.new`, virtualService('changing', changing.host, changing.host, `v${version}`))
  renameSync(`${path}.new`, path)
}

function serviceEntry(index: number): string {
  return `apiVersion: networking.istio.io/v1beta1
kind: ServiceEntry
metadata: { name: service-${index}, namespace: default }
spec:
  hosts: [${hostOf(index)}]
  addresses: [127.200.${index >> 8}.${index & 255}]
  ports: [{ number: ${servicePort}, name: tcp-dubbo, protocol: TCP }]
  resolution: STATIC
  endpoints: [{ address: 127.0.0.1, ports: { tcp-dubbo: 9 } }]
`
}

function virtualService(name: string, host: string, to: string, subset: string | undefined): string {
  const destination = `host: ${to}${subset === undefined ? '' : `, subset: ${subset}`}`
  return `apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: { name: ${name}, namespace: default }
spec:
  hosts: [${host}]
  http:
    - match: [{ method: { exact: other } }]
      route: [{ destination: { host: ${to} } }]
    - route: [{ destination: { ${destination} } }]
`
}

function endpoint(port: number, version: string): string {
  return `{ address: 127.0.0.1, ports: { tcp-dubbo: ${port} }, labels: { version: ${version} } }`
}

function changingService([first, second]: readonly [number, number]): string {
  return `apiVersion: networking.istio.io/v1beta1
kind: ServiceEntry
metadata: { name: changing, namespace: default }
spec:
  hosts: [${changing.host}]
  addresses: [${changing.address}]
  ports: [{ number: ${servicePort}, name: tcp-dubbo, protocol: TCP }]
  resolution: STATIC
  endpoints: [${endpoint(first, 'v0')}, ${endpoint(second, 'v1')}]
---
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: { name: changing, namespace: default }
spec:
  host: ${changing.host}
  subsets: [{ name: v0, labels: { version: v0 } }, { name: v1, labels: { version: v1 } }]
`
}
