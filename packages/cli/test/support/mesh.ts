/** A mesh as users run it: `aeraki control-plane` with registries and a folder of rules, `aeraki proxy` beside a consumer. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '@aeraki/testing'
import { COMMAND } from '../run-command.ts'

export interface Mesh {
  /** Writes a file of the rules' folder; undefined removes it. */
  rule(name: string, text: string | undefined): void
  /** What the control plane knows of a host. */
  service(host: string): Promise<MeshService | undefined>
  /** Resolves when the condition holds. */
  until(host: string, what: string, condition: (service: MeshService | undefined) => boolean): Promise<void>
  /** A page of the control plane's admin server. */
  page<T>(path: string): Promise<T>
  /** Resolves when the consumer's proxy has a cluster of this name part with so many hosts. */
  untilProxyHas(cluster: string, hosts: number): Promise<void>
  /** What its processes logged last: for the message of a failure. */
  said(): string
  close(): Promise<void>
}

export interface MeshService {
  readonly host: string
  readonly addresses: readonly { readonly address: string }[]
  readonly endpoints: readonly {
    readonly address: string
    readonly ports: Readonly<Record<string, number>>
    readonly labels: Readonly<Record<string, string>>
    readonly locality: string
  }[]
}

/** @param registries the file's text, JSON being YAML */
export async function startMesh(registries: object, locality = ''): Promise<Mesh> {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-mesh-'))
  const rules = join(folder, 'rules')
  mkdirSync(rules)
  writeFileSync(join(folder, 'registries.json'), JSON.stringify(registries))
  const free = '127.0.0.1:0'
  const controlPlane = start('control-plane', {
    config: rules,
    registries: join(folder, 'registries.json'),
    xds: free,
    admin: free,
  })
  const children = [controlPlane]
  const said = [tailOf(controlPlane)]
  async function close(): Promise<void> {
    await Promise.all(children.map(terminate))
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const [xds = '', admin = ''] = await linesOf(controlPlane, 2)
    const proxyAdmin = `127.0.0.1:${await freePort()}`
    const proxy = start('proxy', {
      'control-plane': xds.replace('xds ', ''),
      'admin-address': proxyAdmin,
      node: 'sidecar~127.77.0.1~consumer.default~default.svc.cluster.local',
      locality,
    })
    children.push(proxy)
    said.push(tailOf(proxy))
    await untilAsync('the proxy is live', async () => (await fetch(`http://${proxyAdmin}/ready`)).status === 200)
    const page = async <T>(path: string): Promise<T> => {
      const response = await fetch(`http://${admin.replace('admin ', '')}${path}`)
      return (await response.json()) as T
    }
    const service = async (host: string): Promise<MeshService | undefined> =>
      (await page<MeshService[]>('/services')).find((each) => each.host === host)
    return {
      rule(name, text) {
        if (text === undefined) rmSync(join(rules, name), { force: true })
        else writeFileSync(join(rules, name), text)
      },
      page,
      service,
      until: (host, what, condition) => untilAsync(what, async () => condition(await service(host))),
      untilProxyHas: (cluster, hosts) =>
        untilAsync(`the proxy has ${hosts} hosts in ${cluster}`, async () => {
          const text = await (await fetch(`http://${proxyAdmin}/clusters`)).text()
          const found = new Set(
            text.split('\n').flatMap((line) => {
              const [name = '', host = ''] = line.split('::')
              return name.includes(cluster) && /:\d+$/.test(host) ? [host] : []
            }),
          )
          return found.size === hosts
        }),
      said: () => said.map((tail) => tail()).join('\n'),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

type Child = ChildProcessByStdio<null, Readable, Readable>

function start(verb: string, options: Readonly<Record<string, string>>): Child {
  const flags = Object.entries({ ...options, 'log-level': 'info' }).flatMap(([name, value]) => [`--${name}`, value])
  return spawn(process.execPath, [COMMAND, verb, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Reads its stderr, as a pipe that nobody reads would stop the program, and keeps the end of it. */
function tailOf(child: Child): () => string {
  let tail = ''
  child.stderr.on('data', (text: Buffer) => (tail = (tail + text.toString()).slice(-4000)))
  return () => tail
}

async function linesOf(child: Child, count: number): Promise<string[]> {
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (lines.length === count) return lines
  }
  throw new Error(`the command ended with ${child.exitCode}`)
}

async function terminate(child: Child): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await exited
  clearTimeout(kill)
}

export async function untilAsync(what: string, condition: () => Promise<boolean>, patience = 90_000): Promise<void> {
  const end = Date.now() + patience
  let last: unknown
  for (;;) {
    try {
      if (await condition()) return
    } catch (error) {
      last = error
    }
    if (Date.now() > end) throw new Error(`it never came that ${what}`, { cause: last })
    await sleep(100)
  }
}
