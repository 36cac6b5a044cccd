/** The way in: texts, files and folders to checked objects. */
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { Diagnostic } from '../diagnostic.ts'
import { AerakiError } from '../errors.ts'
import { isRecord } from '../guards.ts'
import { type LoadedObject } from '../object.ts'
import { duplicates } from '../validate/duplicates.ts'
import { readDocuments } from './documents.ts'
import { originLocator } from './locator.ts'
import { readResource, type RejectedObject } from './read.ts'

export interface LoadResult {
  /** Only those without errors, each kind/namespace/name once. */
  readonly objects: LoadedObject[]
  /** Objects that have errors. A reader that keeps the last good version of each goes on with it; what is in neither list is gone. */
  readonly rejected: RejectedObject[]
  readonly diagnostics: Diagnostic[]
}

/**
 * Reads every resource of a text: any number of YAML documents, or JSON. Never throws on bad input: an object with an
 * error is left out, and the diagnostics say which and why.
 */
export function loadResources(text: string, fileName: string): LoadResult {
  return withoutDuplicates([readText(text, fileName)])
}

/** Reads one resource that came from no file, such as one from a Kubernetes API server. The value is not changed. */
export function loadValue(value: unknown, origin: string): LoadResult {
  // Reading rewrites, and an informer's cache is not ours.
  const { objects, rejected, diagnostics } = readResource(structuredClone(value), originLocator(origin))
  return { objects: [...objects], rejected: [...rejected], diagnostics: [...diagnostics] }
}

/**
 * Reads a file, or every .yaml, .yml and .json below a folder in the order of their names; hidden files and folders are
 * passed over.
 * @throws AerakiError API_UNREADABLE where the path itself cannot be read
 */
export function loadPath(path: string): LoadResult {
  return loadPaths([path])
}

/**
 * Reads several files and folders as one set; a file that is in more than one of them is read once.
 * @throws AerakiError API_UNREADABLE
 */
export function loadPaths(paths: readonly string[]): LoadResult {
  return withoutDuplicates([...new Set(paths.flatMap(filesOf))].map(readFile))
}

/**
 * The files that loadPath would read.
 * @throws AerakiError API_UNREADABLE
 */
export function filesOf(path: string): string[] {
  try {
    return statSync(path).isDirectory() ? filesBelow(path) : [path]
  } catch (cause) {
    throw new AerakiError('API_UNREADABLE', `${path}: cannot be read (${reasonOf(cause)}). Check the path.`, { cause })
  }
}

const extensions = new Set(['.yaml', '.yml', '.json'])

/** A link to a folder is followed once, so that one that leads back up does not go round for ever. */
function filesBelow(folder: string, seen = new Set<string>()): string[] {
  const real = realpathSync(folder)
  if (seen.has(real)) return []
  seen.add(real)
  const entries = readdirSync(folder, { withFileTypes: true })
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  const files: string[] = []
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue
    const path = join(folder, entry.name)
    // A Kubernetes ConfigMap volume is made of links.
    const stat = entry.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : entry
    if (stat?.isDirectory() === true) files.push(...filesBelow(path, seen))
    else if (stat?.isFile() === true && extensions.has(extname(entry.name).toLowerCase())) files.push(path)
  }
  return files
}

function readFile(path: string): LoadResult {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    return { objects: [], rejected: [], diagnostics: [unreadable(path, cause)] }
  }
  return readText(text, path)
}

function readText(text: string, fileName: string): LoadResult {
  const objects: LoadedObject[] = []
  const rejected: RejectedObject[] = []
  const diagnostics: Diagnostic[] = []
  const syntax = readDocuments(text, fileName, ({ value, locator, oddities }) => {
    const forgiven = isRecord(value) && value['kind'] === 'EnvoyFilter'
    diagnostics.push(...oddities.map((odd) => (forgiven ? { ...odd, severity: 'warning' as const } : odd)))
    const found = readResource(value, locator)
    const sound = forgiven || oddities.length === 0
    if (sound) objects.push(...found.objects)
    rejected.push(...(sound ? found.rejected : [...found.rejected, ...found.objects]))
    diagnostics.push(...found.diagnostics)
  })
  return { objects, rejected, diagnostics: [...syntax, ...diagnostics] }
}

function withoutDuplicates(results: readonly LoadResult[]): LoadResult {
  const objects = results.flatMap((result) => result.objects)
  const repeated = duplicates(objects)
  const dropped = new Set(repeated.map((each) => each.object))
  const diagnostics = results.flatMap((result) => result.diagnostics)
  return {
    objects: objects.filter((object) => !dropped.has(object)),
    rejected: results.flatMap((result) => result.rejected),
    diagnostics: [...diagnostics, ...repeated.map((each) => each.diagnostic)],
  }
}

function unreadable(file: string, cause: unknown): Diagnostic {
  return {
    severity: 'error',
    code: 'API_UNREADABLE',
    file,
    line: 0,
    column: 0,
    kind: undefined,
    namespace: undefined,
    name: undefined,
    field: '',
    value: undefined,
    message: `the file cannot be read (${reasonOf(cause)})`,
    remedy: 'Check its permissions.',
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
