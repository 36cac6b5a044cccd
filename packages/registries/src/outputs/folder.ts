/**
 * ServiceEntries as files of a folder, one an entry, for the control plane (`--config`) and for Istio (`fs://`).
 *
 * Files are replaced as a whole, only when their bytes change, and carry a first line that says whose they are: a file
 * without it is never overwritten or deleted. One bridge a folder.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AerakiError } from '@aeraki/api'
import { getLogger } from '@logtape/logtape'
import type { BridgeListener, ServiceChange, ServiceSource } from '../bridge/bridge.ts'
import { type ServiceEntryObject, toServiceEntries } from '../bridge/service-entry.ts'
import { shortened } from '../names.ts'
import { inTurns } from '../util/turns.ts'
import { formatYaml } from './yaml.ts'

const log = getLogger(['aeraki', 'registries', 'folder'])

/** Milliseconds. */
const longestTurn = 20

const mark = '# Written by "aeraki registry" from registries: changes made here are lost.\n'

export interface FolderOutput {
  /** Resolves when there is nothing left to write but what failed and is tried again. */
  idle(): Promise<void>
  readonly counters: { readonly written: number; readonly deleted: number; readonly failed: number }
  /** Stops writing; the files stay. */
  close(): void
}

/** @throws AerakiError REGISTRY_OUTPUT where the folder can't be made */
export function writeToFolder(source: ServiceSource, folder: string): FolderOutput {
  try {
    mkdirSync(folder, { recursive: true })
  } catch (cause) {
    throw new AerakiError('REGISTRY_OUTPUT', `${folder}: ${reasonOf(cause)}. Give another folder.`, { cause })
  }
  const counters = { written: 0, deleted: 0, failed: 0 }
  /** Files of each host. */
  const files = new Map<string, readonly string[]>()
  /** By host: what could not be written is tried again with the next change, and every few seconds. */
  const failed = new Map<string, ServiceChange>()
  let closed = false
  const turns = inTurns<ServiceChange>((changes) => {
    for (const change of changes) attempt(change)
  }, longestTurn)
  const retry = setInterval(() => apply([...failed.values()]), 5000)

  function apply(changes: readonly ServiceChange[]): void {
    turns.add(changes.map((change) => [change.host, change]))
  }

  function attempt(change: ServiceChange): void {
    const { host } = change
    failed.delete(host)
    try {
      applyOne(change)
    } catch (cause) {
      counters.failed += 1
      failed.set(host, change)
      log.error('{host} could not be written to {folder}: {reason}', { host, folder, reason: reasonOf(cause) })
    }
  }

  function applyOne({ host, service }: ServiceChange): void {
    const entries = service === undefined ? [] : toServiceEntries(service)
    const names = entries.map(fileName)
    for (const [index, entry] of entries.entries()) write(names[index] ?? '', mark + formatYaml(entry))
    for (const name of files.get(host) ?? []) if (!names.includes(name)) remove(name)
    if (names.length > 0) files.set(host, names)
    else files.delete(host)
  }

  function write(name: string, text: string): void {
    const path = join(folder, name)
    const before = read(path)
    if (before === text) return
    if (before !== undefined && !before.startsWith(mark))
      throw new Error(`${name} is there and was written by somebody else`)
    const draft = join(folder, `.${name}.${process.pid}`)
    writeFileSync(draft, text)
    renameSync(draft, path)
    counters.written += 1
  }

  function remove(name: string): void {
    const path = join(folder, name)
    if (read(path)?.startsWith(mark) !== true) return
    rmSync(path)
    counters.deleted += 1
  }

  /** What an earlier run left of services that are gone. */
  function removeLeftOvers(): void {
    if (closed) return
    const ours = new Set([...files.values()].flat())
    for (const name of readdirSync(folder)) {
      if (!name.endsWith('.yaml') || name.startsWith('.') || ours.has(name)) continue
      try {
        remove(name)
      } catch (cause) {
        log.error('{name} could not be deleted: {reason}', { name, reason: reasonOf(cause) })
      }
    }
  }

  const listener: BridgeListener = {
    changed: apply,
    complete() {
      void turns.idle().then(removeLeftOvers)
    },
  }
  const unsubscribe = source.subscribe(listener)
  return {
    counters,
    idle: () => turns.idle(),
    close() {
      unsubscribe()
      clearInterval(retry)
      closed = true
      turns.close()
    },
  }
}

/** File systems allow 255 bytes, and the draft of a file needs a few more. */
function fileName({ metadata }: ServiceEntryObject): string {
  return `${shortened(`${metadata.namespace}.${metadata.name}`, 220)}.yaml`
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
