/**
 * Where VIP assignments outlive the process: one small JSON file, written whole and atomically. A folder that can't be
 * written costs one warning and nothing else; a file that can't be understood is left where it is, under another name.
 *
 *   {"version": 1, "vips": {"<host>": {"address": "127.240.x.y", "goneSince": <unix ms>}}}
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { getLogger } from '@logtape/logtape'
import type { VipAssignment } from './allocator.ts'

const log = getLogger(['aeraki', 'control-plane', 'vip'])

export interface StateFile {
  readonly path: string
  readonly assignments: readonly VipAssignment[]
  /** Synchronous, so that no address is served before it is kept. Throws nothing. */
  save(assignments: readonly VipAssignment[]): void
}

/** Throws nothing: a file that is missing or broken is an empty one. */
export function openStateFile(path: string): StateFile {
  let failure: string | undefined

  return {
    path,
    assignments: read(path),
    save(assignments) {
      try {
        write(path, assignments)
        if (failure !== undefined) log.info('VIP assignments are kept in {path} again', { path })
        failure = undefined
      } catch (error) {
        const reason = String(error)
        if (reason !== failure) {
          failure = reason
          log.warn('VIP assignments are not kept across restarts: cannot write {path}: {reason}', { path, reason })
        }
      }
    },
  }
}

function write(path: string, assignments: readonly VipAssignment[]): void {
  const vips = Object.fromEntries(
    assignments.map(({ key, address, goneSince }) => [
      key,
      goneSince === undefined ? { address } : { address, goneSince },
    ]),
  )
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true })
  const temporary = `${path}.${process.pid}.tmp`
  try {
    const file = openSync(temporary, 'w', 0o644)
    try {
      writeFileSync(file, `${JSON.stringify({ version: 1, vips }, null, 1)}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

function read(path: string): VipAssignment[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return []
  }
  try {
    const state: unknown = JSON.parse(text)
    if (!isState(state)) throw new Error('not a state file of version 1')
    return Object.entries(state.vips).map(([key, { address, goneSince }]) => ({ key, address, goneSince }))
  } catch (error) {
    const kept = join(dirname(path), 'state.json.broken')
    log.warn('{path} is not readable as VIP assignments ({reason}); moved to {kept}', {
      path,
      reason: String(error),
      kept,
    })
    try {
      renameSync(path, kept)
    } catch {
      // A read-only folder: it is overwritten, or it stays.
    }
    return []
  }
}

function isState(value: unknown): value is { vips: Record<string, { address: string; goneSince?: number }> } {
  if (typeof value !== 'object' || value === null) return false
  const { version, vips } = value as { version?: unknown; vips?: unknown }
  if (version !== 1 || typeof vips !== 'object' || vips === null) return false
  return Object.values(vips).every(
    (entry: unknown) =>
      typeof entry === 'object' &&
      entry !== null &&
      typeof (entry as { address?: unknown }).address === 'string' &&
      ['number', 'undefined'].includes(typeof (entry as { goneSince?: unknown }).goneSince),
  )
}
