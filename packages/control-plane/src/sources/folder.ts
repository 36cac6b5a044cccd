/**
 * A folder of YAML and JSON files, with those below it, watched.
 *
 * Every event, wherever it comes from, leads to the same thing: wait until it is quiet, walk the folder, read the files
 * whose stat differs. So it does not matter how an editor saves, how a Kubernetes volume swaps its `..data` link, or
 * whether an event got lost: a walk every few seconds finds what no event told. A folder that is gone is not an empty
 * one: what it held is kept until it is back.
 */
import { type FSWatcher, readdirSync, readFileSync, realpathSync, statSync, watch } from 'node:fs'
import { extname, join } from 'node:path'
import { AerakiError } from '@aeraki/api/errors'
import { type Diagnostic, loadResources } from '@aeraki/api'
import { getLogger } from '@logtape/logtape'
import type { OriginUpdate, Source, SourceListener } from './source.ts'

const log = getLogger(['aeraki', 'control-plane', 'source'])

export interface FolderSourceOptions {
  /** How long it must be quiet before the folder is read. Default 50 ms; never put off for more than 20 times that. */
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

const extensions = new Set(['.yaml', '.yml', '.json'])
const racyMs = 100
/** An empty file may be one that is being written: it is believed when it stays so. */
const emptyMs = 300

export function createFolderSource(folder: string, options: FolderSourceOptions = {}): Source {
  const debounceMs = options.debounceMs ?? 50
  const rescanMs = options.rescanMs ?? 5000
  const files = new Map<string, FileState>()
  const watchers = new Map<string, FSWatcher>()
  let listener: SourceListener | undefined
  let quiet: NodeJS.Timeout | undefined
  let quietSince = 0
  let rescan: NodeJS.Timeout | undefined
  let follow: NodeJS.Timeout | undefined
  let missing = false
  let closed = false

  function touch(): void {
    if (closed) return
    const now = Date.now()
    if (quiet === undefined) quietSince = now
    else if (now - quietSince > debounceMs * 20) return
    clearTimeout(quiet)
    quiet = setTimeout(() => {
      quiet = undefined
      scan()
    }, debounceMs)
  }

  function scan(): void {
    if (closed) return
    let tree: Tree
    try {
      tree = walk(folder)
    } catch (error) {
      // Gone, or going while we look.
      if (!missing) log.warn('{folder} cannot be read; what it held is kept: {error}', { folder, error })
      missing = true
      unwatch(new Set())
      later(200)
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
    const present = new Set(tree.files)
    for (const path of files.keys()) {
      if (present.has(path)) continue
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
      text = readFileSync(path, 'utf8')
    } catch (error) {
      if (known?.stat === 'unreadable') return undefined
      files.set(path, { stat: 'unreadable', text: undefined, racy: false })
      return { origin: path, state: 'present', objects: [], diagnostics: [unreadable(path, error)] }
    }
    if (text.trim() === '' && known?.text !== undefined && known.text.trim() !== '' && ageMs < emptyMs) {
      later(emptyMs)
      return undefined
    }
    const racy = ageMs < racyMs
    if (racy) later(racyMs * 2)
    files.set(path, { stat, text, racy })
    if (known?.text === text) return undefined
    const { objects, diagnostics } = loadResources(text, path)
    return { origin: path, state: 'present', objects, diagnostics }
  }

  function later(ms: number): void {
    if (closed || follow !== undefined) return
    follow = setTimeout(() => {
      follow = undefined
      scan()
    }, ms)
    follow.unref()
  }

  function watchAll(folders: ReadonlySet<string>): void {
    unwatch(folders)
    for (const path of folders) {
      if (watchers.has(path)) continue
      try {
        const watcher = watch(path, { persistent: false }, touch)
        watcher.on('error', () => {
          // The folder went away under the watcher; the walk that follows says what is left.
          watcher.close()
          watchers.delete(path)
          touch()
        })
        watchers.set(path, watcher)
        // What happened between the walk and now has told nobody.
        touch()
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
        walk(folder)
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

interface Tree {
  /** In the order of their paths. */
  readonly files: readonly string[]
  readonly folders: ReadonlySet<string>
}

/** Hidden files and folders are not ours; links are followed, once each. Throws if the root can't be read. */
function walk(root: string): Tree {
  const files: string[] = []
  const folders = new Set<string>()
  const seen = new Set<string>()

  function enter(path: string): void {
    const real = realpathSync(path)
    if (seen.has(real)) return
    seen.add(real)
    const entries = readdirSync(path, { withFileTypes: true })
    folders.add(path)
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue
      const child = join(path, entry.name)
      const kind = entry.isSymbolicLink() ? statSync(child, { throwIfNoEntry: false }) : entry
      if (kind?.isDirectory() === true) enterBelow(child)
      else if (kind?.isFile() === true && extensions.has(extname(entry.name).toLowerCase())) files.push(child)
    }
  }

  function enterBelow(path: string): void {
    try {
      enter(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }

  enter(root)
  return { files: files.toSorted(), folders }
}

function inodeOf(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? '' : `${stat.dev}:${stat.ino}`
}

function unreadable(file: string, cause: unknown): Diagnostic {
  return {
    severity: 'error',
    code: 'SOURCE_UNREADABLE',
    file,
    line: 0,
    column: 0,
    kind: undefined,
    namespace: undefined,
    name: undefined,
    field: '',
    value: undefined,
    message: `the file cannot be read (${String(cause)}); what it held is kept`,
    remedy: 'check its permissions',
  }
}
