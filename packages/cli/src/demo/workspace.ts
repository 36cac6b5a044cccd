/**
 * The folder that the control plane reads: a copy of the scenario's, so that a run leaves the examples as they are. It is
 * `demo-config/SCENARIO` in the working directory where a user is to edit it, and a temporary folder for timed runs.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { AerakiError } from '@aeraki/api/errors'
import type { Scenario } from './scenario.ts'

const EXAMPLES = join(import.meta.dirname, '../../../../examples')
/** The port as the examples have it. */
export const EXAMPLE_PORT = 20_880

export interface Workspace {
  readonly folder: string
  /** The file's path as the user would write it. */
  shown(file: string): string
  read(file: string): string
  /** In one step, as an editor that is careful does it. */
  write(file: string, text: string): void
  remove(file: string): void
  /** As the examples have it. */
  restore(file: string): void
  /** Address of the instance that the file of a WorkloadEntry describes, as the examples have it. */
  workload(file: string): WorkloadFacts
  /** Removes the folder. */
  close(): void
}

export interface WorkloadFacts {
  readonly name: string
  readonly address: string
  readonly locality: string
  readonly labels: Readonly<Record<string, string>>
}

export function openWorkspace(scenario: Scenario, port: number, visible: boolean): Workspace {
  const folder = visible ? visibleFolder(scenario.name) : mkdtempSync(join(tmpdir(), `aeraki-demo-${scenario.name}-`))
  const source = join(EXAMPLES, scenario.name)
  cpSync(source, folder, { recursive: true })
  const workspace: Workspace = {
    folder,
    shown: (file) => {
      const path = join(folder, file)
      const short = relative(process.cwd(), path)
      return short.startsWith('..') ? path : short
    },
    read: (file) => readFileSync(join(folder, file), 'utf8'),
    write: (file, text) => {
      const path = join(folder, file)
      // A name that no control plane takes for configuration.
      const fresh = join(folder, `.${file}.new`)
      writeFileSync(fresh, text)
      renameSync(fresh, path)
    },
    remove: (file) => rmSync(join(folder, file), { force: true }),
    restore: (file) => workspace.write(file, readFileSync(join(source, file), 'utf8')),
    workload: (file) => workloadFacts(file, readFileSync(join(source, file), 'utf8')),
    close: () => {
      rmSync(folder, { recursive: true, force: true })
      if (visible) removeWhenEmpty(dirname(folder))
    },
  }
  if (port !== EXAMPLE_PORT) {
    const file = 'service-entry.yaml'
    workspace.write(file, workspace.read(file).replace(`number: ${EXAMPLE_PORT}`, `number: ${port}`))
  }
  return workspace
}

/** `demo-config/NAME`, or `NAME-2`, ... when another demo is using that. */
function visibleFolder(name: string): string {
  const parent = join(process.cwd(), 'demo-config')
  try {
    mkdirSync(parent, { recursive: true })
    // A clone stays clean whatever is in here.
    writeFileSync(join(parent, '.gitignore'), '*\n')
    for (let i = 1; i < 100; i++) {
      const folder = join(parent, i === 1 ? name : `${name}-${i}`)
      if (makeFolder(folder)) return folder
    }
  } catch {
    // The working directory cannot be written to.
  }
  return mkdtempSync(join(tmpdir(), `aeraki-demo-${name}-`))
}

/** False when it exists. */
function makeFolder(path: string): boolean {
  try {
    mkdirSync(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function removeWhenEmpty(parent: string): void {
  try {
    if (readdirSync(parent).some((name) => name !== '.gitignore')) return
    rmSync(join(parent, '.gitignore'), { force: true })
    rmdirSync(parent)
  } catch {
    // Another demo was faster, or has just started.
  }
}

/** The files are the examples' own, in the shape that examples have. */
function workloadFacts(file: string, text: string): WorkloadFacts {
  const field = (name: string): string => {
    const value = new RegExp(`^  ${name}: (\\S+)$`, 'm').exec(text)?.[1]
    if (value === undefined) throw new AerakiError('DEMO_EXAMPLE', `examples: ${file} has no ${name}`)
    return value
  }
  const block = /^  labels:\n((?: {4}\S+: \S+\n)+)/m.exec(text)?.[1] ?? ''
  const labels = Object.fromEntries(
    [...block.matchAll(/^ {4}(\S+): (\S+)$/gm)].map(([, key, value]) => [key ?? '', value ?? '']),
  )
  return { name: field('name'), address: field('address'), locality: field('locality'), labels }
}
