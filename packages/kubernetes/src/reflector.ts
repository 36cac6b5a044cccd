/**
 * Follows one resource: lists it, then watches it from the version of the list, for ever. What the receiver was told is
 * always a state that the server was in, some time ago.
 *
 *   list (quorum read, in pages) -> watch from its resourceVersion, with bookmarks
 *   the watch ends                  -> watch again from the last version seen, after a jittered pause
 *   410: the version is forgotten   -> list again
 *   nothing comes, not even a bookmark (the server sends one a minute) -> as if it had ended
 *   404: the resource is not served (any more) -> ask for it every now and then, in all the versions that we read
 *
 * A resource that is not there counts as empty. One that was there counts as gone only when a server that calls itself
 * ready denies it twice: one that starts denies custom resources that it has not loaded yet.
 */
import { setTimeout } from 'node:timers/promises'
import { getLogger } from '@logtape/logtape'
import { createBackoff } from './backoff.ts'
import type { KubernetesClient } from './client.ts'
import { KubernetesError, statusOf, UnreachableError } from './errors.ts'
import { type KubernetesObject, objectKey } from './object.ts'
import { findResource, pathOf, type Resource, type ResourceQuery } from './resources.ts'

const log = getLogger(['aeraki', 'kubernetes'])

export interface ReflectorOptions {
  readonly client: KubernetesClient
  readonly resource: Resource | ResourceQuery
  /** Undefined: all namespaces. */
  readonly namespace?: string | undefined
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
  /** Asks for metadata alone: labels of ten thousand pods weigh little, the pods much. */
  readonly metadataOnly?: boolean
  /** One who may not read it (403) goes on without it: that counts as the first sync. It is tried again, and said. */
  readonly optional?: boolean
  readonly receiver: Receiver
  readonly timing?: Partial<ReflectorTiming>
}

export interface Receiver {
  /** All there is; whatever is not among them is gone. Called once for each list, also for an empty one. */
  replaced(objects: readonly KubernetesObject[]): void
  changed(object: KubernetesObject): void
  deleted(object: KubernetesObject): void
}

/** Milliseconds. */
export interface ReflectorTiming {
  /** A watch that gives nothing for so long is taken for dead. Default 90 s. */
  readonly silence: number
  /** For how long the server is asked to keep a watch; it varies by half. Default 5 min. */
  readonly watch: number
  /** Between two looks for a resource that is not served. Default 15 s. */
  readonly missing: number
  /** Between the two denials after which a resource counts as gone. Default 5 s. */
  readonly confirm: number
  /** Longest pause after failures. Default 15 s. */
  readonly longestPause: number
}

export type ReflectorState =
  | { readonly kind: 'listing' }
  | { readonly kind: 'watching' }
  /** The server has no such resource. */
  | { readonly kind: 'missing' }
  | { readonly kind: 'failing'; readonly reason: string }

export interface Reflector {
  /** Of the plural's or the kind's name, for logs and metrics. */
  readonly name: string
  readonly state: ReflectorState
  /** In the version that is served; undefined where none is, or it is not known yet. */
  readonly resource: Resource | undefined
  /** True since the first list, or since the resource was found not to be served. */
  readonly synced: boolean
  /** Resolves with that; of what is optional also when it may not be read. */
  readonly firstSync: Promise<void>
  /** Since the start. */
  readonly counters: {
    readonly lists: number
    readonly watches: number
    readonly events: number
    readonly silences: number
  }
  close(): Promise<void>
}

const pageSize = 500
const listTimeoutMs = 120_000

interface ListAnswer {
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string }
  readonly items?: readonly KubernetesObject[] | null
}

interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: KubernetesObject
}

/** The server no longer knows the version that we want to go on from. */
class Expired extends KubernetesError {
  constructor(message: string) {
    super(410, 'Expired', message)
  }
}

/** Starts at once. */
export function startReflector(options: ReflectorOptions): Reflector {
  const { client, receiver } = options
  const timing = {
    silence: 90_000,
    watch: 300_000,
    missing: 15_000,
    confirm: 5000,
    longestPause: 15_000,
    ...options.timing,
  }
  const name = 'plural' in options.resource ? options.resource.plural : options.resource.kind
  const closing = new AbortController()
  const backoff = createBackoff({ firstMs: 200, longestMs: timing.longestPause })
  const counters = { lists: 0, watches: 0, events: 0, silences: 0 }
  const first = Promise.withResolvers<void>()
  let state: ReflectorState = { kind: 'listing' }
  let synced = false
  let found: Resource | undefined = 'plural' in options.resource ? options.resource : undefined
  let held = false

  function tell(objects: readonly KubernetesObject[]): void {
    held = objects.length > 0
    receiver.replaced(objects)
    synced = true
    first.resolve()
  }

  async function follow(): Promise<void> {
    found ??= await discover()
    if (found === undefined) {
      if (held && !(await isGone())) return
      if (state.kind !== 'missing') {
        if (synced) log.info('The cluster has no {name}', { name })
        tell([])
      }
      state = { kind: 'missing' }
      await pause(timing.missing * (0.5 + Math.random() / 2))
      return
    }
    if (state.kind === 'missing') log.info('The cluster has {name} now, {group}/{version}', { name, ...found })
    state = { kind: 'listing' }
    let version = await list(found)
    backoff.reset()
    try {
      for (;;) version = await watchFrom(found, version)
    } catch (error) {
      if (!(error instanceof Expired)) throw error
      log.debug('{name}: {reason}; it is listed again', { name, reason: error.message })
    }
  }

  async function discover(): Promise<Resource | undefined> {
    return 'plural' in options.resource ? options.resource : await findResource(client, options.resource)
  }

  async function isGone(): Promise<boolean> {
    for (let denials = 1; denials < 3; denials++) {
      await client.request({ path: '/readyz', as: 'text' })
      found = await discover()
      if (found !== undefined) return false
      if (denials === 1) await pause(timing.confirm)
    }
    return true
  }

  async function list(resource: Resource): Promise<string> {
    const objects: KubernetesObject[] = []
    let answer: ListAnswer | undefined
    counters.lists += 1
    do {
      const { labelSelector, fieldSelector } = options
      const query = { labelSelector, fieldSelector, limit: pageSize, continue: answer?.metadata.continue }
      answer = await client.request<ListAnswer>({
        path: pathOf(resource, options.namespace),
        query,
        accept: accept('PartialObjectMetadataList'),
        timeoutMs: listTimeoutMs,
        signal: closing.signal,
      })
      // Items of a list do not say what they are.
      const { kind } = resource
      const apiVersion = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`
      for (const item of answer.items ?? []) objects.push({ ...item, apiVersion, kind })
    } while ((answer.metadata.continue ?? '') !== '')
    tell(objects)
    return answer.metadata.resourceVersion ?? ''
  }

  /** Resolves with the version to go on from, when the server ends the watch or it breaks. */
  async function watchFrom(resource: Resource, since: string): Promise<string> {
    let version = since
    let moved = false
    counters.watches += 1
    const query = {
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: since,
      labelSelector: options.labelSelector,
      fieldSelector: options.fieldSelector,
      timeoutSeconds: Math.ceil((timing.watch * (0.75 + Math.random() / 2)) / 1000),
    }
    const startedAt = performance.now()
    try {
      await client.stream({
        path: pathOf(resource, options.namespace),
        query,
        accept: accept('PartialObjectMetadata'),
        silenceMs: timing.silence,
        signal: closing.signal,
        onOpen() {
          state = { kind: 'watching' }
        },
        onLine(line) {
          version = take(JSON.parse(line) as WatchEvent, resource) ?? version
          moved = true
        },
      })
    } catch (error) {
      if (closing.signal.aborted || error instanceof Expired) throw error
      if (statusOf(error) === 410) throw new Expired(String(error))
      if (error instanceof UnreachableError && error.silent) counters.silences += 1
      if (statusOf(error) === 404) found = 'plural' in options.resource ? options.resource : undefined
      if (error instanceof KubernetesError) throw error
      log.debug('The watch of {name} broke: {error}', { name, error: String(error) })
      state = { kind: 'failing', reason: String(error) }
    }
    if (moved || performance.now() - startedAt > timing.longestPause) backoff.reset()
    await pause(backoff.next())
    return version
  }

  /** The version that we are at with it. Throws `Expired`. */
  function take({ type, object }: WatchEvent, resource: Resource): string | undefined {
    if (type === 'ERROR') {
      const status = object as unknown as { code?: number; reason?: string; message?: string }
      const { code = 0, reason = '', message = '' } = status
      if (code === 410 || reason === 'Expired' || reason === 'Gone') throw new Expired(message)
      throw new KubernetesError(code, reason, `watching ${name}: ${message}`)
    }
    counters.events += 1
    const version = object.metadata.resourceVersion
    if (type === 'BOOKMARK') return version
    // As PartialObjectMetadata they do not say what they are.
    const whole = options.metadataOnly === true ? { ...object, kind: resource.kind } : object
    if (type === 'DELETED') receiver.deleted(whole)
    else {
      held = true
      receiver.changed(whole)
    }
    return version
  }

  function accept(partial: string): string {
    return options.metadataOnly === true ? `application/json;as=${partial};g=meta.k8s.io;v=v1` : 'application/json'
  }

  async function pause(ms: number): Promise<void> {
    await setTimeout(ms, undefined, { signal: closing.signal }).catch(() => undefined)
  }

  async function run(): Promise<void> {
    let said = ''
    while (!closing.signal.aborted) {
      try {
        await follow()
        said = ''
      } catch (error) {
        if (closing.signal.aborted) return
        const reason = error instanceof Error ? error.message : String(error)
        if (statusOf(error) === 404 && !('plural' in options.resource)) found = undefined
        state = { kind: 'failing', reason }
        if (options.optional === true && statusOf(error) === 403) first.resolve()
        if (reason !== said) log.warn('{name} cannot be followed; what is known is kept: {reason}', { name, reason })
        said = reason
        const asked = error instanceof KubernetesError ? (error.retryAfterMs ?? 0) : 0
        await pause(Math.max(backoff.next(), Math.min(asked, timing.longestPause)))
      }
    }
  }

  const running = run()
  return {
    name,
    get state() {
      return state
    },
    get resource() {
      return found
    },
    get synced() {
      return synced
    },
    firstSync: first.promise,
    counters,
    async close() {
      closing.abort(new Error('closed'))
      await running
    },
  }
}

/** A receiver that keeps what it was told in a map, by `namespace/name`, and says which keys it touched. */
export function mapReceiver<T>(
  objects: Map<string, T>,
  convert: (object: KubernetesObject) => T,
  touched: (key: string) => void,
): Receiver {
  return {
    replaced(all) {
      const gone = new Set(objects.keys())
      for (const object of all) {
        const key = objectKey(object)
        gone.delete(key)
        objects.set(key, convert(object))
        touched(key)
      }
      for (const key of gone) {
        objects.delete(key)
        touched(key)
      }
    },
    changed(object) {
      const key = objectKey(object)
      objects.set(key, convert(object))
      touched(key)
    },
    deleted(object) {
      const key = objectKey(object)
      objects.delete(key)
      touched(key)
    },
  }
}
