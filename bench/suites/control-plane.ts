/** From a changed file to a proxy that acts on it. */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connectedArgs, executable } from '../contenders/aeraki.ts'
import { median } from '../figures.ts'
import { cpuSeconds, memoryMb } from '../load/process-figures.ts'
import { loadCore, pinned, proxyCore, root } from '../machine.ts'
import type { Taken } from '../mesh/clients.ts'
import { changing, hostOf, routeTableOf, writeMesh, writeRule } from '../mesh/folder.ts'
import { Probe, Versions } from '../mesh/probe.ts'
import { freePort, start, stop, temporaryFolder } from '../processes.ts'
import type { Context } from './suite.ts'

export interface ControlPlaneTable {
  readonly rows: readonly ChangeRow[]
  readonly syncs: readonly SyncRow[]
}

export interface ChangeRow {
  readonly services: number
  /** Connected, the real one among them. */
  readonly proxies: number
  readonly inForceMs: number
  /** Undefined: there was only the real one. */
  readonly lastClientMs: number | undefined
  readonly cpuMs: number
  readonly memoryMb: number
}

export interface SyncRow {
  readonly services: number
  readonly readyMs: number
  readonly liveMs: number
  readonly proxyMb: number
  readonly controlPlaneMb: number
}

const timeoutMs = 60_000
/** How many route tables a light client asks for. */
const tablesPerClient = 10

export async function runControlPlane(context: Context): Promise<ControlPlaneTable> {
  const rows: ChangeRow[] = []
  const syncs: SyncRow[] = []
  const versions = await Versions.start()
  for (const services of context.plan.services) {
    context.say(`control plane: ${services} services`)
    const folder = temporaryFolder()
    writeMesh(folder, services, versions.ports)
    const controlPlane = await startControlPlane(folder)
    const proxy = await startRealProxy(controlPlane.xds, services)
    syncs.push({
      services,
      readyMs: controlPlane.readyMs,
      liveMs: proxy.liveMs,
      proxyMb: memoryMb([proxy.pid]),
      controlPlaneMb: memoryMb([controlPlane.pid]),
    })
    const probe = await Probe.open(changing.address, changing.port)
    for (const proxies of context.plan.proxies) {
      context.say(`control plane: ${services} services, ${proxies} proxies`)
      const row = await changeRules(context, folder, controlPlane, probe, proxies)
      rows.push({ services, proxies, ...row, memoryMb: memoryMb([controlPlane.pid]) })
    }
    probe.close()
    await Promise.all([stop(proxy.child), stop(controlPlane.child)])
  }
  versions.close()
  return { rows, syncs }
}

type Changed = Pick<ChangeRow, 'inForceMs' | 'lastClientMs' | 'cpuMs'>

async function changeRules(
  { plan }: Context,
  folder: string,
  controlPlane: RunningControlPlane,
  probe: Probe,
  proxies: number,
): Promise<Changed> {
  const clients = proxies > 1 ? await startClients(controlPlane.xds, proxies - 1) : undefined
  const inForce: number[] = []
  const lastClient: number[] = []
  let cpuMs = 0
  let version = await probe.ask()
  for (let change = 0; change < plan.changes; change += 1) {
    // Not in step with anything that happens at intervals.
    await new Promise((resolve) => setTimeout(resolve, 150 + Math.random() * 100))
    version = 1 - version
    const cpuBefore = cpuSeconds([controlPlane.pid])
    const writtenAt = performance.timeOrigin + performance.now()
    writeRule(folder, version)
    await probe.until(version, timeoutMs)
    inForce.push(performance.timeOrigin + performance.now() - writtenAt)
    if (clients !== undefined) lastClient.push((await clients.taken()).at - writtenAt)
    cpuMs += (cpuSeconds([controlPlane.pid]) - cpuBefore) * 1000
  }
  if (clients !== undefined) await stop(clients.child)
  return {
    inForceMs: median(inForce),
    lastClientMs: clients === undefined ? undefined : median(lastClient),
    cpuMs: cpuMs / plan.changes,
  }
}

interface RunningControlPlane {
  readonly child: ChildProcess
  readonly pid: number
  readonly xds: string
  readonly readyMs: number
}

async function startControlPlane(folder: string): Promise<RunningControlPlane> {
  const startedAt = performance.now()
  const cli = join(root, 'packages/cli/bin/aeraki.js')
  const args = [cli, 'control-plane', '--config', folder, '--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0']
  // Its log is of no interest here, and as long as the mesh is large.
  const child = start(...pinned(proxyCore, process.execPath, args), 'quiet')
  const xds = /^xds (\S+)$/.exec(await lines(child)())?.[1]
  if (xds === undefined) throw new Error('the control plane did not say where it listens')
  return { child, pid: child.pid as number, xds, readyMs: performance.now() - startedAt }
}

/** Resolves when it has a listener for every service. */
async function startRealProxy(
  xds: string,
  services: number,
): Promise<{ readonly child: ChildProcess; readonly pid: number; readonly liveMs: number }> {
  const startedAt = performance.now()
  const admin = `127.0.0.1:${await freePort()}`
  const child = start(...pinned(loadCore, executable('bun'), connectedArgs(xds, admin)))
  for (;;) {
    if ((await listeningOn(admin)) === services) break
    if (child.exitCode !== null) throw new Error(`the proxy ended with ${child.exitCode}`)
    if (performance.now() - startedAt > timeoutMs)
      throw new Error(`the proxy does not serve everything after ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return { child, pid: child.pid as number, liveMs: performance.now() - startedAt }
}

/** How many listeners of the proxy with these admin pages serve; 0: it does not answer yet. */
async function listeningOn(admin: string): Promise<number> {
  try {
    const page = await (await fetch(`http://${admin}/listeners`)).text()
    return page.split('\n').filter((line) => line !== '' && !/\((warming|failed)/.test(line)).length
  } catch {
    return 0
  }
}

interface Clients {
  readonly child: ChildProcess
  /** The next version that all of them have taken. */
  readonly taken: () => Promise<Taken>
}

/** Resolves when all of them have the first version. */
async function startClients(xds: string, count: number): Promise<Clients> {
  const tables = Array.from({ length: tablesPerClient - 1 }, (_, index) => routeTableOf(hostOf(index)))
  const args = [join(root, 'bench/mesh/clients.ts'), xds, String(count), routeTableOf(changing.host), ...tables]
  const child = start(...pinned(loadCore, process.execPath, args))
  const next = lines(child)
  const taken = async (): Promise<Taken> => JSON.parse(await next()) as Taken
  await taken()
  return { child, taken }
}

function lines(child: ChildProcess): () => Promise<string> {
  const iterator = createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> })[
    Symbol.asyncIterator
  ]()
  return async () => {
    const { value, done } = await iterator.next()
    if (done === true) throw new Error('a process of the benchmark has ended')
    return value
  }
}
