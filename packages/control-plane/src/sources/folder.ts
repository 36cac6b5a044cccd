/**
 * A folder of YAML and JSON files, with those below it, watched.
 *
 * Every event leads to the same thing: wait until it is quiet, then look. Where nothing but files was written, only those
 * that events named are read, however many there are; after anything else (folders, links, files that are gone, very many
 * events) the folder is walked, and the files whose stat differs are read. So it does not matter how an editor saves, how
 * a Kubernetes volume swaps its `..data` link, or whether an event got lost: a walk every few seconds finds what no event
 * told. A folder that is gone is not an empty one: what it held is kept until it is back.
 */
import { type FSWatcher, lstatSync, readFileSync, statSync, watch } from 'node:fs'
import { basename, join, sep } from 'node:path'
import { AerakiError } from '@aeraki/api/errors'
import { type Folder, isConfigurationFile, loadResources, unreadableFinding, walkFolder } from '@aeraki/api'
import { getLogger } from '@logtape/logtape'
import type { OriginUpdate, Source, SourceListener } from './source.ts'

const log = getLogger(['aeraki', 'control-plane', 'source'])

export interface FolderSourceOptions {
  /** How long it must be quiet before the folder is read. Default 20 ms; never put off for more than 50 times that. */
  readonly debounceMs?: number
  /** How often the folder is walked without any event. Default 5 s; 0: never. */
  readonly rescanMs?: number
}

interface FileState {
  readonly stat: string
  readonly text: string | undefined
  /** So fresh when it was read that another write may leave the same stat. */
  readonly racy: boolean
}

/** Reading YAML takes a second for a megabyte or two, and nothing else happens meanwhile. */
const largestFile = 32 * 1024 * 1024
const racyMs = 100
/** A file that seems to be in the middle of being written is believed when it stays so. */
const unfinishedMs = 300
/** Of more paths than this a walk is as cheap, and some events may have been lost. */
const manyPaths = 100

export function createFolderSource(folder: string, options: FolderSourceOptions = {}): Source {
  const debounceMs = options.debounceMs ?? 20
  const rescanMs = options.rescanMs ?? 5000
  const files = new Map<string, FileState>()
  const watchers = new Map<string, FSWatcher>()
  /** Paths that events have named since the last look. */
  let touched = new Set<string>()
  /** Paths to look at once more. */
  let doubtful = new Set<string>()
  let listener: SourceListener | undefined
  let quiet: NodeJS.Timeout | undefined
  let quietSince = 0
  let rescan: NodeJS.Timeout | undefined
  let follow: NodeJS.Timeout | undefined
  let missing = false
  let closed = false

  function touch(path: string): void {
    if (closed) return
    touched.add(path)
    const now = Date.now()
    if (quiet === undefined) quietSince = now
    else if (now - quietSince > debounceMs * 50) return
    clearTimeout(quiet)
    quiet = setTimeout(() => {
      quiet = undefined
      const paths = touched
      touched = new Set()
      look(paths)
    }, debounceMs)
  }

  /** At these paths, or at everything where they don't say all that may have changed. */
  function look(paths: ReadonlySet<string>): void {
    if (closed) return
    if (missing || paths.size > manyPaths || ![...paths].every(isOnlyFile)) {
      scan()
      return
    }
    const named = [...paths].filter((path) => isConfigurationFile(basename(path))).toSorted()
    const updates = named.flatMap((path) => readIfNew(path) ?? [])
    if (updates.length > 0) listener?.(updates)
  }

  /** A file, or one that came and went: nothing but its own content can be new. */
  function isOnlyFile(path: string): boolean {
    try {
      const stat = lstatSync(path, { throwIfNoEntry: false })
      return stat === undefined ? !files.has(path) && !watchers.has(path) : stat.isFile()
    } catch {
      return false
    }
  }

  function scan(): void {
    if (closed) return
    let tree: Folder
    try {
      tree = walkFolder(folder)
    } catch (error) {
      // Gone, or going while we look.
      if (!missing) log.warn('{folder} cannot be read; what it held is kept: {error}', { folder, error })
      missing = true
      unwatch(new Set())
      later(200, folder)
      return
    }
    if (missing) log.info('{folder} is back', { folder })
    missing = false
    watchAll(tree.folders)
    const updates: OriginUpdate[] = []
    for (const path of tree.files) {
      const update = readIfNew(path)
      if (update !== undefined) updates.push(update)
    }
    for (const { path, cause } of tree.unreadable) updates.push(...unreadable(path, cause))
    const dark = tree.unreadable.map(({ path }) => path)
    const present = new Set([...tree.files, ...dark])
    for (const path of files.keys()) {
      if (present.has(path) || dark.some((above) => path.startsWith(above + sep))) continue
      files.delete(path)
      updates.push({ origin: path, state: 'removed', objects: [], diagnostics: [] })
    }
    if (updates.length > 0) listener?.(updates)
  }

  function readIfNew(path: string): OriginUpdate | undefined {
    const known = files.get(path)
    let stat: string
    let text: string
    let ageMs: number
    try {
      const found = statSync(path, { bigint: true })
      stat = [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join()
      ageMs = Date.now() - Number(found.ctimeMs)
      if (known !== undefined && known.stat === stat && !known.racy) return undefined
      if (found.size > largestFile) throw new Error(`${found.size} bytes, more than ${largestFile}`)
      text = readFileSync(path, 'utf8')
    } catch (error) {
      return unreadable(path, error)[0]
    }
    if (known?.text !== undefined && seemsUnfinished(text, known.text) && ageMs < unfinishedMs) {
      later(unfinishedMs, path)
      return undefined
    }
    const racy = ageMs < racyMs
    if (racy) later(racyMs * 2, path)
    files.set(path, { stat, text, racy })
    if (known?.text === text) return undefined
    const { objects, diagnostics } = loadResources(text, path)
    return { origin: path, state: 'present', objects, diagnostics }
  }

  /** Said once; what the path held is kept, as its error names no object. */
  function unreadable(path: string, cause: unknown): OriginUpdate[] {
    if (files.get(path)?.stat === 'unreadable') return []
    files.set(path, { stat: 'unreadable', text: undefined, racy: false })
    const message = `it cannot be read (${String(cause)}); what it held is kept`
    const finding = unreadableFinding('SOURCE_UNREADABLE', path, message)
    return [{ origin: path, state: 'present', objects: [], diagnostics: [finding] }]
  }

  function later(ms: number, path: string): void {
    doubtful.add(path)
    if (closed || follow !== undefined) return
    follow = setTimeout(() => {
      follow = undefined
      const paths = doubtful
      doubtful = new Set()
      look(paths)
    }, ms)
    follow.unref()
  }

  function watchAll(folders: ReadonlySet<string>): void {
    unwatch(folders)
    for (const path of folders) {
      if (watchers.has(path)) continue
      try {
        const watcher = watch(path, { persistent: false }, (_event, name) => {
          // Of what happens to the folder itself, its own name is told.
          touch(name === null || name === basename(path) ? path : join(path, name))
        })
        watcher.on('error', () => {
          // The folder went away under the watcher; the walk that follows says what is left.
          watcher.close()
          watchers.delete(path)
          touch(folder)
        })
        watchers.set(path, watcher)
        // What happened between the walk and now has told nobody.
        touch(path)
      } catch (error) {
        log.debug('{path} is not watched: {error}', { path, error })
      }
    }
  }

  /** A folder that was deleted and made again has the same name and another inode: its watcher is dead. */
  function unwatch(keep: ReadonlySet<string>): void {
    for (const [path, watcher] of watchers) {
      if (keep.has(path) && inodes.get(path) === inodeOf(path)) continue
      watcher.close()
      watchers.delete(path)
    }
    inodes.clear()
    for (const path of keep) inodes.set(path, inodeOf(path))
  }

  const inodes = new Map<string, string>()

  return {
    async start(to) {
      listener = to
      try {
        walkFolder(folder)
      } catch (cause) {
        throw new AerakiError(
          'SOURCE_UNREADABLE',
          `${folder} cannot be read as a folder (${String(cause)}). Check --config.`,
          {
            cause,
          },
        )
      }
      scan()
      if (files.size === 0) listener([])
      rescan = setInterval(scan, rescanMs === 0 ? 0x7fffffff : rescanMs)
      rescan.unref()
    },
    async close() {
      closed = true
      clearTimeout(quiet)
      clearTimeout(follow)
      clearInterval(rescan)
      unwatch(new Set())
    },
  }
}

/** Empty, or without the line break at the end that it had: cut off, half of it would take the objects of the other half away. */
function seemsUnfinished(text: string, before: string): boolean {
  if (text.trim() === '') return before.trim() !== ''
  return before.endsWith('\n') && !text.endsWith('\n')
}

function inodeOf(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? '' : `${stat.dev}:${stat.ino}`
}
