/** The demo's mesh: a control plane on the workspace, a proxy and a provider for each group, a proxy for the consumer. */
import { join } from 'node:path'
import { AerakiError } from '@aeraki/api/errors'
import { proxyProgram } from '../proxy-process.ts'
import type { FromApp } from './apps/messages.ts'
import { freePort } from './ports.ts'
import type { Child, Processes } from './processes.ts'
import { ProxyAdmin } from './proxy-admin.ts'
import type { ProviderGroup, Scenario } from './scenario.ts'
import type { Workspace } from './workspace.ts'

const COMMAND = join(import.meta.dirname, '../../bin/aeraki.js')
const PROVIDER = join(import.meta.dirname, 'apps/provider.ts')
/** The consumer's own address in the mesh; nothing listens there. */
const CONSUMER_ADDRESS = '127.77.0.1'
const DOMAIN = 'svc.cluster.local'

export interface Mesh {
  /** Of the control plane. */
  readonly adminAddress: string
  readonly consumerProxy: ProxyAdmin
  /** What the consumer is to call. */
  readonly serviceAddress: string
  readonly runtime: string
  /** A group's provider and its proxy go away, or come back: then they wait for the group's entry to serve. */
  stopGroup(group: ProviderGroup): Promise<void>
  startGroup(group: ProviderGroup): Promise<void>
}

interface Instance {
  readonly app: Child
  readonly proxy: Child
  readonly admin: ProxyAdmin
}

export interface MeshOptions {
  readonly scenario: Scenario
  readonly workspace: Workspace
  /** The service's port. */
  readonly port: number
  readonly processes: Processes
  /** `auto`, `bun` or `node`. */
  readonly runtime: string | undefined
}

/** Resolves when the consumer can call. */
export async function startMesh(options: MeshOptions): Promise<Mesh> {
  const { scenario, workspace, port, processes } = options
  const program = proxyProgram(options.runtime)
  const controlPlane = await startControlPlane(processes, workspace)
  const instances = new Map<string, Instance>()

  const startProxy = async (name: string, node: string, locality: string, more: readonly string[]) => {
    const adminAddress = `127.0.0.1:${await freePort()}`
    const proxy = processes.start(name, program.program, [
      ...program.args,
      '--control-plane',
      controlPlane.xds,
      '--node',
      node,
      '--locality',
      locality,
      '--admin-address',
      adminAddress,
      ...more,
    ])
    return { proxy, admin: new ProxyAdmin(name, adminAddress, processes.crashed) }
  }

  const startGroup = async (group: ProviderGroup) => {
    const { name, address, locality, labels } = workspace.workload(group.workload)
    const app = processes.fork(`provider ${group.name}`, PROVIDER, ['127.0.0.1', '0', group.name])
    const appPort = await providerPort(app, processes)
    const node = `sidecar~${address}~${name}.default~default.${DOMAIN}`
    const labelList = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
    const { proxy, admin } = await startProxy(`proxy of ${group.name}`, node, locality, [
      '--labels',
      labelList.join(','),
      '--app',
      `127.0.0.1:${appPort}`,
    ])
    instances.set(group.name, { app, proxy, admin })
    await admin.live()
  }

  const { namespace, locality } = scenario.consumer
  const node = `sidecar~${CONSUMER_ADDRESS}~demo-consumer.${namespace}~${namespace}.${DOMAIN}`
  const consumer = await startProxy("consumer's proxy", node, locality, [])
  // Before the others: they are told of the service as well, and on one machine one of them can have its address.
  const serviceAddress = await consumer.admin.listening('outbound', port)
  await Promise.all(scenario.groups.map((group) => startGroup(group)))
  await Promise.all([...instances.values()].map(({ admin }) => admin.listening('inbound', port)))
  return {
    adminAddress: controlPlane.admin,
    consumerProxy: consumer.admin,
    serviceAddress,
    runtime: program.runtime.name,
    startGroup,
    stopGroup: async (group) => {
      const instance = instances.get(group.name)
      instances.delete(group.name)
      await instance?.proxy.stop()
      await instance?.app.stop()
    },
  }
}

async function startControlPlane(processes: Processes, workspace: Workspace): Promise<{ xds: string; admin: string }> {
  const free = '127.0.0.1:0'
  const child = processes.start('control plane', process.execPath, [
    COMMAND,
    'control-plane',
    '--config',
    workspace.folder,
    '--xds',
    free,
    '--admin',
    free,
  ])
  const [xds, admin] = await Promise.all([child.line(/^xds (\S+)$/), child.line(/^admin (\S+)$/)])
  return { xds: xds[1] ?? '', admin: admin[1] ?? '' }
}

function providerPort(app: Child, processes: Processes): Promise<number> {
  const listening = new Promise<number>((resolve, reject) => {
    app.process.on('message', (message: FromApp) => {
      if (message.type === 'listening') resolve(message.port)
      if (message.type === 'failed') reject(new AerakiError('DEMO_PROCESS_DIED', message.message))
    })
  })
  return Promise.race([listening, processes.crashed])
}
