/** Many services in a real registry, one instance of one of them replaced so many times a second. */
import { mkdtempSync, rmSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bridge, createBridge } from '../../src/bridge/bridge.ts'
import { parseBridgeConfig } from '../../src/bridge/config.ts'
import { type FolderOutput, writeToFolder } from '../../src/outputs/folder.ts'
import { type Fillable, type FillableType, startFillable } from './fillable.ts'

export interface ChurnOptions {
  readonly type: FillableType
  readonly services: number
  /** Of each service. */
  readonly instances: number
  /** Changes a second. */
  readonly rate: number
  readonly seconds: number
  readonly onProgress?: (what: string) => void
}

export interface ChurnResult {
  readonly changes: number
  /** That they took: longer than asked for where the registry is slow. Milliseconds. */
  readonly changesMs: number
  /** Files that the changes made to be written. */
  readonly writes: number
  /** From the last change until the folder had it. Milliseconds. */
  readonly convergedMs: number
  readonly firstReadMs: number
  /** Of this process, writer and all: for the first read, and for the changes. Milliseconds. */
  readonly cpuMs: readonly [number, number]
  /** Hosts merged for the changes. */
  readonly merged: number
  /** Bytes, after each collection of garbage: when all was read, and after the changes. */
  readonly heap: readonly [number, number]
  readonly rss: readonly [number, number]
}

export async function churn({
  type,
  services,
  instances,
  rate,
  seconds,
  onProgress,
}: ChurnOptions): Promise<ChurnResult> {
  const say = onProgress ?? (() => {})
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-churn-'))
  let registry: Fillable | undefined
  let bridge: Bridge | undefined
  let output: FolderOutput | undefined
  try {
    registry = await startFillable(type)
    const ports = Array.from({ length: services }, () => 20_000)
    await fill(registry, services, instances)
    say(`${services * instances} providers registered`)

    const config = { registries: [registry.settings] }
    const startedAt = performance.now()
    const cpuAtStart = cpu()
    bridge = createBridge(parseBridgeConfig(JSON.stringify(config), 'churn'))
    output = writeToFolder(bridge, folder)
    await bridge.start()
    await output.idle()
    const firstReadMs = performance.now() - startedAt
    const firstCpuMs = cpu() - cpuAtStart
    const heapBefore = memory()
    const mergedBefore = bridge.counters.merged
    const writesBefore = output.counters.written
    say(`read and written in ${Math.round(firstReadMs)} ms; ${describe(heapBefore)}`)

    const changes = rate * seconds
    const begin = performance.now()
    const cpuAtBegin = cpu()
    const pending = new Set<Promise<void>>()
    const failures: unknown[] = []
    for (let change = 0; change < changes; change++) {
      const wait = begin + (change * 1000) / rate - performance.now()
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait))
      if (pending.size >= mostPending) await Promise.race(pending)
      // A step that meets every service before it comes back to the first.
      const index = (change * 7919) % services
      const before = ports[index] ?? 0
      ports[index] = before + 1
      const moved: Promise<void> = registry
        .move(serviceOf(index), changing(index), before, before + 1)
        .catch((error: unknown) => void failures.push(error))
        .finally(() => pending.delete(moved))
      pending.add(moved)
      if (change % (rate * 10) === 0) say(`${change} changes; ${describe(memory())}`)
    }
    await Promise.all(pending)
    if (failures.length > 0) throw new AggregateError(failures, `the registry refused changes: ${String(failures[0])}`)
    const changedAt = performance.now()
    const changesMs = changedAt - begin
    const changesCpuMs = cpu() - cpuAtBegin
    while (!(await hasConverged(folder, ports))) await new Promise((resolve) => setTimeout(resolve, 100))
    const convergedMs = performance.now() - changedAt
    const heapAfter = memory()
    return {
      changes,
      changesMs,
      writes: output.counters.written - writesBefore,
      convergedMs,
      firstReadMs,
      cpuMs: [firstCpuMs, changesCpuMs],
      merged: bridge.counters.merged - mergedBefore,
      heap: [heapBefore.heapUsed, heapAfter.heapUsed],
      rss: [heapBefore.rss, heapAfter.rss],
    }
  } finally {
    output?.close()
    await bridge?.close()
    await registry?.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const serviceOf = (index: number): string => `org.demo.service${index % 100}.Api${index}`

/** The instance of a service that changes. */
const changing = (index: number): string => `10.9.${index >> 8}.${index & 255}`

/** Changes on their way at the same time: Consul refuses more connections. */
const mostPending = 32

async function fill(registry: Fillable, services: number, instances: number): Promise<void> {
  const batch = mostPending
  for (let start = 0; start < services; start += batch) {
    const indices = Array.from({ length: Math.min(batch, services - start) }, (_, offset) => start + offset)
    await Promise.all(indices.map((index) => registry.register(serviceOf(index), changing(index), 20_000)))
    const others = indices.flatMap((index) =>
      Array.from({ length: instances - 1 }, (_, instance) =>
        registry.register(serviceOf(index), `10.1.${index & 255}.${instance + 1}`, 20_880),
      ),
    )
    await Promise.all(others)
  }
}

async function hasConverged(folder: string, ports: readonly number[]): Promise<boolean> {
  for (const [index, port] of ports.entries()) {
    const name = `default.aeraki-${serviceOf(index).toLowerCase().replaceAll('.', '-')}.yaml`
    // Not in one turn: the bridge has to have its own.
    const text = await readFile(join(folder, name), 'utf8')
    if (!text.includes(`: ${port}\n`) || text.includes(`: ${port - 1}\n`)) return false
  }
  return (await readdir(folder)).length === ports.length
}

function cpu(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function memory(): NodeJS.MemoryUsage {
  globalThis.gc?.()
  return process.memoryUsage()
}

function describe({ heapUsed, rss }: NodeJS.MemoryUsage): string {
  return `heap ${Math.round(heapUsed / 1e6)} MB, resident ${Math.round(rss / 1e6)} MB`
}
