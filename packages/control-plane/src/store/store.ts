/**
 * The last good version of every object. What is broken never removes what was good:
 *  - an object with an error keeps its last good version, and is reported, also when it broke on its way to another file;
 *  - a file that can't be read to its end keeps every object that it had and that it doesn't show now.
 * What is truly gone goes. An object in two origins is the first one's, by the names of the origins.
 */
import { createHash } from 'node:crypto'
import { type Diagnostic, formatDiagnostic, keyOf, type LoadedObject } from '@aeraki/api'
import { getLogger } from '@logtape/logtape'
import type { OriginUpdate } from '../sources/source.ts'

const log = getLogger(['aeraki', 'control-plane', 'store'])

export interface Store {
  /** What this changes, each object once. */
  apply(updates: readonly OriginUpdate[]): readonly StoreChange[]
  objects(): Iterable<LoadedObject>
  /** All that is wrong now, in the order of the origins. */
  diagnostics(): Diagnostic[]
  /** How many objects are kept in an older version because the present one is broken. */
  readonly stale: number
  readonly size: number
}

export type StoreChange =
  | { readonly kind: 'added'; readonly object: LoadedObject }
  | { readonly kind: 'updated'; readonly object: LoadedObject; readonly previous: LoadedObject }
  | { readonly kind: 'removed'; readonly object: LoadedObject }
  /** The same object at another place in its file, or in another one. */
  | { readonly kind: 'moved'; readonly object: LoadedObject; readonly previous: LoadedObject }

interface OriginState {
  readonly objects: ReadonlyMap<string, LoadedObject>
  /** Keys whose object is an earlier version, with the errors that may be about it. */
  readonly stale: ReadonlyMap<string, ReadonlySet<string>>
  /** Identities of what was broken here. */
  readonly errors: ReadonlySet<string>
  readonly diagnostics: readonly Diagnostic[]
}

export function createStore(): Store {
  const origins = new Map<string, OriginState>()
  /** Which origins have an object of this key; rarely more than one. */
  const claims = new Map<string, Set<string>>()
  const current = new Map<string, LoadedObject>()
  /** In no file any more, but a broken object of their name is. */
  const orphans = new Set<string>()

  function replace(update: OriginUpdate): Set<string> {
    const before = origins.get(update.origin)
    const after = update.state === 'removed' ? undefined : merge(before, update)
    const touched = new Set<string>()
    for (const key of before?.objects.keys() ?? []) {
      touched.add(key)
      if (after?.objects.has(key) !== true) unclaim(key, update.origin)
    }
    for (const key of after?.objects.keys() ?? []) {
      touched.add(key)
      const claim = claims.get(key)
      if (claim === undefined) claims.set(key, new Set([update.origin]))
      else claim.add(update.origin)
    }
    logDiagnostics(before?.diagnostics ?? [], after?.diagnostics ?? [])
    if (after === undefined) origins.delete(update.origin)
    else origins.set(update.origin, after)
    return touched
  }

  function unclaim(key: string, origin: string): void {
    const claim = claims.get(key)
    claim?.delete(origin)
    if (claim?.size === 0) claims.delete(key)
  }

  function settle(key: string): StoreChange | undefined {
    const [first] = [...(claims.get(key) ?? [])].toSorted()
    const object = first === undefined ? undefined : origins.get(first)?.objects.get(key)
    const previous = current.get(key)
    orphans.delete(key)
    if (object === undefined) {
      if (previous === undefined) return undefined
      if (isBrokenSomewhere(previous)) {
        orphans.add(key)
        return undefined
      }
      current.delete(key)
      return { kind: 'removed', object: previous }
    }
    if (object === previous) return undefined
    current.set(key, object)
    if (previous === undefined) return { kind: 'added', object }
    return { kind: fingerprint(object) === fingerprint(previous) ? 'moved' : 'updated', object, previous }
  }

  function isBrokenSomewhere(object: LoadedObject): boolean {
    const names = namesOf(object)
    return origins.values().some(({ errors }) => names.some((name) => errors.has(name)))
  }

  /** Objects that are kept although no error names them: nobody would guess why they are still there. */
  function kept(): Diagnostic[] {
    return [...origins.values()].flatMap(({ objects, stale, errors }) =>
      [...stale.keys()].flatMap((key): Diagnostic[] => {
        const object = objects.get(key)
        if (object === undefined || namesOf(object).some((name) => errors.has(name))) return []
        return [
          {
            file: object.source.file,
            line: 0,
            column: 0,
            severity: 'warning',
            code: 'STORE_KEPT',
            kind: object.kind,
            namespace: object.metadata.namespace,
            name: object.metadata.name,
            field: '',
            value: undefined,
            message: 'not found here any more, but kept as it was: an error in this file may be what hides it',
            remedy: 'correct the errors of the file; if the object is gone by then, so is what it does',
          },
        ]
      }),
    )
  }

  function duplicates(): Diagnostic[] {
    const found: Diagnostic[] = []
    for (const [key, claim] of claims) {
      if (claim.size < 2) continue
      const [first, ...others] = [...claim].toSorted().flatMap((origin) => origins.get(origin)?.objects.get(key) ?? [])
      for (const object of others) {
        found.push({
          ...object.source,
          severity: 'error',
          code: 'STORE_DUPLICATE',
          kind: object.kind,
          namespace: object.metadata.namespace,
          name: object.metadata.name,
          field: 'metadata.name',
          value: object.metadata.name,
          message: `the object is also in ${first?.source.file ?? ''}:${first?.source.line ?? 0}, which counts`,
          remedy: 'remove one of the two, or give it another name or namespace',
        })
      }
    }
    return found
  }

  return {
    apply(updates) {
      const touched = new Set(orphans)
      for (const update of updates) for (const key of replace(update)) touched.add(key)
      return [...touched].flatMap((key) => settle(key) ?? [])
    },
    objects: () => current.values(),
    diagnostics() {
      const ordered = [...origins].toSorted(([a], [b]) => (a < b ? -1 : 1))
      return [...ordered.flatMap(([, state]) => state.diagnostics), ...kept(), ...duplicates()]
    },
    get stale() {
      return [...origins.values()].reduce((sum, { stale }) => sum + stale.size, orphans.size)
    },
    get size() {
      return current.size
    },
  }
}

function merge(before: OriginState | undefined, update: OriginUpdate): OriginState {
  const objects = new Map<string, LoadedObject>()
  for (const object of update.objects) {
    const key = keyOf(object)
    if (!objects.has(key)) objects.set(key, unchanged(before?.objects.get(key), object))
  }
  const errors = new Set(update.diagnostics.filter(({ severity }) => severity === 'error').map(identityOf))
  const names = new Set([...(before?.objects.values() ?? [])].flatMap(namesOf))
  // A broken thing that was not here before may be a known object that no longer says its name; one that is here in a
  // good form too (a duplicate) is no riddle.
  const known = (error: string): boolean => names.has(error) || before?.errors.has(error) === true || objects.has(error)
  const newcomers = [...errors].filter((error) => error === anonymous || !known(error))
  const stale = new Map<string, ReadonlySet<string>>()
  for (const [key, object] of before?.objects ?? []) {
    if (objects.has(key)) continue
    const about = namesOf(object).filter((name) => errors.has(name))
    const earlier = [...(before?.stale.get(key) ?? [])].filter((error) => errors.has(error))
    const suspects = new Set([...about, ...newcomers, ...earlier])
    if (suspects.size === 0) continue
    objects.set(key, object)
    stale.set(key, suspects)
  }
  return { objects, stale, errors, diagnostics: update.diagnostics }
}

/** Of an error that does not say whose it is. */
const anonymous = ''

function identityOf({ kind, namespace, name }: Diagnostic): string {
  return kind === undefined || name === undefined
    ? anonymous
    : keyOf({ kind, metadata: { namespace: namespace ?? '', name } })
}

/** Under which errors may speak of it: its own name, and that of the early form it was written as. */
function namesOf({ kind, metadata, convertedFrom }: LoadedObject): string[] {
  const own = keyOf({ kind, metadata })
  if (convertedFrom === undefined) return [own]
  return [own, keyOf({ kind: convertedFrom.kind, metadata: { ...metadata, name: convertedFrom.name } })]
}

/** The earlier object where the new one says the same at the same place. */
function unchanged(before: LoadedObject | undefined, after: LoadedObject): LoadedObject {
  if (before === undefined || fingerprint(before) !== fingerprint(after)) return after
  const { line, column } = before.source
  return line === after.source.line && column === after.source.column ? before : after
}

const fingerprints = new WeakMap<LoadedObject, string>()

function fingerprint(object: LoadedObject): string {
  const known = fingerprints.get(object)
  if (known !== undefined) return known
  const { apiVersion, metadata, spec } = object
  const content = createHash('sha256')
    .update(JSON.stringify([apiVersion, metadata, spec]))
    .digest('base64')
  fingerprints.set(object, content)
  return content
}

/** Each finding once, when it comes and when it goes. */
function logDiagnostics(before: readonly Diagnostic[], after: readonly Diagnostic[]): void {
  const known = new Set(before.map(formatDiagnostic))
  const now = new Map(after.map((diagnostic) => [formatDiagnostic(diagnostic), diagnostic.severity] as const))
  for (const [text, severity] of now) {
    if (known.has(text)) continue
    if (severity === 'error') log.error('{text}', { text })
    else log.warn('{text}', { text })
  }
  for (const text of known) if (!now.has(text)) log.info('No more: {text}', { text: text.split('\n')[0] ?? text })
}
