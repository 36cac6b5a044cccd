/** Writes conditions into the status of our own kinds, where they are not what they should be. */
import { isDeepStrictEqual } from 'node:util'
import { allKinds, type Diagnostic, type Kind } from '@aeraki/api'
import {
  apiVersionOf,
  findResource,
  type KubernetesClient,
  type KubernetesObject,
  objectKey,
  pathOf,
  type Resource,
  statusOf,
} from '@aeraki/kubernetes'
import { getLogger } from '@logtape/logtape'
import type { KubernetesSource } from '../../sources/kubernetes/source.ts'
import { type Condition, conditionsOf } from './conditions.ts'
import { createRefreshedQueue, type RefreshedQueue } from './refreshed-queue.ts'

const log = getLogger(['aeraki', 'control-plane', 'status'])

/** To be refreshed when something has changed, or this process leads now. */
export interface StatusWriter extends RefreshedQueue {
  readonly counters: { written: number; failed: number }
}

export interface StatusWriterOptions {
  readonly client: KubernetesClient
  readonly leads: () => boolean
  readonly source: Pick<KubernetesSource, 'objectOf' | 'objectsOf' | 'synced'>
  readonly diagnostics: () => readonly Diagnostic[]
  /** Changes come in bursts. Default 200 ms. */
  readonly debounceMs?: number
}

const ours = allKinds().filter(({ group }) => group.endsWith('.aeraki.io'))
const fieldManager = 'Aeraki'

interface Status {
  readonly observedGeneration?: number
  readonly conditions?: readonly Condition[]
}

export function createStatusWriter(options: StatusWriterOptions): StatusWriter {
  const { client, source } = options
  const counters = { written: 0, failed: 0 }
  const resources = new Map<string, Resource>()
  let findings = new Map<string, Diagnostic[]>()

  const queue = createRefreshedQueue({
    concurrency: 4,
    debounceMs: options.debounceMs,
    find,
    work,
    onFailure(id, error) {
      if (statusOf(error) === 409) return
      counters.failed += 1
      log.debug('The status of {id} could not be written and is tried again: {error}', { id, error: String(error) })
    },
  })

  function find(): string[] {
    if (!source.synced || !options.leads()) return []
    findings = Map.groupBy(options.diagnostics(), ({ kind, namespace, name }) => idOf(kind, namespace, name))
    return ours.flatMap(({ kind }) =>
      [...source.objectsOf(kind)].flatMap((object) =>
        bodyOf(kind, object) === undefined ? [] : [`${kind}/${objectKey(object)}`],
      ),
    )
  }

  async function work(id: string): Promise<void> {
    const kind = id.slice(0, id.indexOf('/')) as Kind
    const object = source.objectOf(kind, id.slice(kind.length + 1))
    if (object === undefined || !options.leads()) return
    const status = bodyOf(kind, object)
    if (status === undefined) return
    const resource = await resourceOf(kind)
    const { name, namespace } = object.metadata
    try {
      await client.request({
        method: 'PATCH',
        path: pathOf(resource, namespace, name, 'status'),
        query: { fieldManager, force: true },
        contentType: 'application/apply-patch+yaml',
        body: {
          apiVersion: apiVersionOf(resource),
          kind,
          // Its uid makes sure that the status is not given to another object of the same name.
          metadata: { name, namespace, uid: object.metadata.uid },
          status,
        },
      })
      counters.written += 1
    } catch (error) {
      // It is gone by now, or its CRD is an old one without a status.
      if (statusOf(error) !== 404) throw error
    }
  }

  /** Undefined: it stands there already. */
  function bodyOf(kind: Kind, object: KubernetesObject): Status | undefined {
    const { namespace, name, generation = 0 } = object.metadata
    const before = (object['status'] ?? {}) as Status
    const about = findings.get(idOf(kind, namespace, name)) ?? []
    const conditions = conditionsOf(generation, about, before.conditions ?? [], new Date())
    if (isDeepStrictEqual(mineOf(before.conditions), conditions)) return undefined
    return { observedGeneration: generation, conditions }
  }

  async function resourceOf(kind: Kind): Promise<Resource> {
    const known = resources.get(kind)
    if (known !== undefined) return known
    const definition = ours.find((each) => each.kind === kind)
    const found = definition === undefined ? undefined : await findResource(client, definition)
    if (found === undefined) throw new Error(`${kind} is not served`)
    resources.set(kind, found)
    return found
  }

  return { ...queue, counters }
}

const clusterKinds = new Set<string>(ours.filter(({ scope }) => scope === 'Cluster').map(({ kind }) => kind))

/** Findings about what belongs to no namespace may name one. */
function idOf(kind = '', namespace = '', name = ''): string {
  return `${kind}/${clusterKinds.has(kind) ? '' : namespace}/${name}`
}

/** Other controllers may have conditions of their own; keys in our order, as the server has its own. */
function mineOf(conditions: readonly Condition[] | undefined): Condition[] {
  return ['Accepted', 'Programmed'].flatMap((type) => conditions?.filter((each) => each.type === type) ?? [])
}
