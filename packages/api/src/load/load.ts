/** The way in: texts, files and folders to checked objects. */
import { readFileSync, statSync } from 'node:fs'
import type { Diagnostic } from '../diagnostic.ts'
import { AerakiError } from '../errors.ts'
import { isRecord } from '../guards.ts'
import { type LoadedObject } from '../object.ts'
import { duplicates } from '../validate/duplicates.ts'
import { readDocuments } from './documents.ts'
import { type Folder, unreadableFinding, walkFolder } from './folder.ts'
import { originLocator } from './locator.ts'
import { readResource } from './read.ts'

export interface LoadResult {
  /** Only those without errors, each kind/namespace/name once. */
  readonly objects: LoadedObject[]
  /** An error names the object that it is about, or nobody where it may be about any object of the text. */
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
  const { objects, diagnostics } = readResource(structuredClone(value), originLocator(origin))
  return { objects: [...objects], diagnostics: [...diagnostics] }
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
  const found = paths.map(filesOf)
  const files = new Set(found.flatMap((each) => each.files))
  const problems = found.flatMap(({ unreadable }) => unreadable.map(({ path, cause }) => unreadableResult(path, cause)))
  return withoutDuplicates([...problems, ...[...files].map(readFile)])
}

function filesOf(path: string): Pick<Folder, 'files' | 'unreadable'> {
  try {
    return statSync(path).isDirectory() ? walkFolder(path) : { files: [path], unreadable: [] }
  } catch (cause) {
    throw new AerakiError('API_UNREADABLE', `${path}: cannot be read (${reasonOf(cause)}). Check the path.`, { cause })
  }
}

function readFile(path: string): LoadResult {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    return unreadableResult(path, cause)
  }
  return readText(text, path)
}

function readText(text: string, fileName: string): LoadResult {
  const objects: LoadedObject[] = []
  const diagnostics: Diagnostic[] = []
  const syntax = readDocuments(text, fileName, ({ value, locator, oddities }) => {
    const forgiven = isRecord(value) && value['kind'] === 'EnvoyFilter'
    diagnostics.push(...oddities.map((odd) => (forgiven ? { ...odd, severity: 'warning' as const } : odd)))
    const found = readResource(value, locator)
    if (forgiven || oddities.length === 0) objects.push(...found.objects)
    diagnostics.push(...found.diagnostics)
  })
  return { objects, diagnostics: [...syntax, ...diagnostics] }
}

function withoutDuplicates(results: readonly LoadResult[]): LoadResult {
  const objects = results.flatMap((result) => result.objects)
  const repeated = duplicates(objects)
  const dropped = new Set(repeated.map((each) => each.object))
  const diagnostics = results.flatMap((result) => result.diagnostics)
  return {
    objects: objects.filter((object) => !dropped.has(object)),
    diagnostics: [...diagnostics, ...repeated.map((each) => each.diagnostic)],
  }
}

function unreadableResult(path: string, cause: unknown): LoadResult {
  const message = `it cannot be read (${reasonOf(cause)})`
  return { objects: [], diagnostics: [unreadableFinding('API_UNREADABLE', path, message)] }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
