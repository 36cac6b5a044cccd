/**
 * Eureka's JSON, as different serialisers write it: a list of one element may be the element itself, and numbers and
 * booleans may be text.
 *
 *     { "applications": { "versions__delta": "1", "apps__hashcode": "UP_2_",
 *         "application": [ { "name": APP, "instance": [ {...} ] } ] } }
 *
 * https://github.com/Netflix/eureka/wiki/Eureka-REST-operations
 */
import { isRecord } from '../guards.ts'

export interface Applications {
  /** Counts of instances by status; undefined where the server does not say. */
  readonly hash: string | undefined
  readonly instances: readonly WireInstance[]
}

export interface WireInstance {
  /** As the server spells it: in upper case. */
  readonly application: string
  readonly id: string
  readonly status: string
  readonly action: 'put' | 'delete'
  readonly fields: Readonly<Record<string, unknown>>
}

/** @throws Error for people where it is nothing of the kind */
export function readApplications(body: unknown): Applications {
  const applications = isRecord(body) ? body['applications'] : undefined
  if (!isRecord(applications)) throw new Error('the answer has no "applications"')
  const hash = applications['apps__hashcode']
  return {
    hash: typeof hash === 'string' ? hash : undefined,
    instances: listOf(applications['application']).flatMap((application) =>
      isRecord(application)
        ? listOf(application['instance']).flatMap((instance) => readInstance(textOf(application['name']), instance))
        : [],
    ),
  }
}

function readInstance(application: string, instance: unknown): WireInstance[] {
  if (!isRecord(instance)) return []
  const name = application || textOf(instance['app'])
  const [host, ip] = [textOf(instance['hostName']), textOf(instance['ipAddr'])]
  // Old clients have no instance id: the host's name is it, as in Amazon's the id of the machine.
  const id = textOf(instance['instanceId']) || dataCenterOf(instance).get('instance-id') || host || ip
  return [
    {
      application: name,
      id,
      status: textOf(instance['status']).toUpperCase() || 'UNKNOWN',
      action: instance['actionType'] === 'DELETED' ? 'delete' : 'put',
      fields: instance,
    },
  ]
}

/** Undefined where the port is not enabled. */
export function portOf(value: unknown): unknown {
  if (!isRecord(value)) return value
  return String(value['@enabled']) === 'true' ? value['$'] : undefined
}

/** Without what the serialiser adds. */
export function metadataOf(value: unknown): Map<string, string> {
  const entries = isRecord(value) ? Object.entries(value) : []
  return new Map(
    entries.flatMap(([key, each]): [string, string][] =>
      key.startsWith('@') || !['string', 'number', 'boolean'].includes(typeof each) ? [] : [[key, String(each)]],
    ),
  )
}

/** Of Amazon's machines. */
export function dataCenterOf(instance: Readonly<Record<string, unknown>>): Map<string, string> {
  const info = instance['dataCenterInfo']
  return metadataOf(isRecord(info) ? info['metadata'] : undefined)
}

/** As the server makes it of all its instances: `DOWN_1_UP_2_`. */
export function hashOf(statuses: Iterable<string>): string {
  const counts = new Map<string, number>()
  for (const status of statuses) counts.set(status, (counts.get(status) ?? 0) + 1)
  const sorted = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return sorted.map(([status, count]) => `${status}_${count}_`).join('')
}

function listOf(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? value : [value]
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''
}
