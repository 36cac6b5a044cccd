/**
 * How each registry's connector bears many services: `node --expose-gc bench/registry-reads.ts TYPE [SERVICES]`, TYPE being
 * etcd, consul, eureka, nacos or nacos3, against the real server. Tells how long and how costly the first read is, how many
 * connections it takes at most, what a quiet registry costs, and how soon one change is known.
 */
import { parseBridgeConfig } from '../packages/registries/src/bridge/config.ts'
import { createBridge } from '../packages/registries/src/bridge/bridge.ts'
import { type FillableType, startFillable } from '../packages/registries/test/support/fillable.ts'

const quietSeconds = 20

const [type = '', count = '10000'] = process.argv.slice(2)
const services = Number(count)

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 600_000; !(await condition());) {
    if (Date.now() > end) throw new Error('in vain')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function memory(): { heap: string; resident: string } {
  globalThis.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  return { heap: `${Math.round(heapUsed / 1e6)} MB`, resident: `${Math.round(rss / 1e6)} MB` }
}

const sockets = (): number => process.getActiveResourcesInfo().filter((what) => what === 'TCPSocketWrap').length

const nameOf = (index: number): string => `org.demo.service${index % 100}.Api${index}`

const registry = await startFillable(type as FillableType)
try {
  const batch = 32
  for (let start = 0; start < services; start += batch) {
    const some = Array.from({ length: Math.min(batch, services - start) }, (_, offset) => nameOf(start + offset))
    await Promise.all(some.map((name) => registry.register(name, '10.0.0.1', 8080)))
  }
  console.error(`${services} services registered; ${JSON.stringify(memory())}`)
  // Until those that registered them have hung up.
  await until(() => sockets() === 0)
  let mostSockets = 0
  const sampling = setInterval(() => {
    mostSockets = Math.max(mostSockets, sockets())
  }, 20)
  const config = { namespace: 'shop', registries: [registry.settings] }
  const bridge = createBridge(parseBridgeConfig(JSON.stringify(config), 'bench'))
  const [startedAt, cpuAtStart] = [performance.now(), cpuMs()]
  await bridge.start()
  const [firstReadMs, firstCpuMs] = [performance.now() - startedAt, cpuMs() - cpuAtStart]
  const read = [...bridge.services()].length
  clearInterval(sampling)
  const afterRead = memory()
  const cpuAtQuiet = cpuMs()
  await new Promise((resolve) => setTimeout(resolve, quietSeconds * 1000))
  const quietCpu = cpuMs() - cpuAtQuiet
  const quietSockets = sockets()
  const changed = nameOf(Math.floor(services / 2))
  const changedAt = performance.now()
  await registry.register(changed, '10.0.0.2', 8080)
  const has = (): boolean =>
    [...bridge.services()].some(
      ({ interface: name, instances }) => name.toLowerCase() === changed.toLowerCase() && instances.length === 2,
    )
  await until(has)
  const result = {
    services: read,
    firstRead: `${Math.round(firstReadMs)} ms, ${Math.round(firstCpuMs)} ms of CPU`,
    connections: { reading: mostSockets, quiet: quietSockets },
    ...afterRead,
    quiet: `${(quietCpu / quietSeconds).toFixed(1)} ms of CPU a second`,
    changeKnownAfter: `${Math.round(performance.now() - changedAt)} ms`,
    afterAll: memory(),
  }
  console.log(JSON.stringify({ type, ...result }, null, 2))
  await bridge.close()
} finally {
  await registry.close()
}
process.exit(0)
