/** Kubernetes object metadata, as far as Aeraki reads it. */
import { isRecord } from '../guards.ts'
import type { KindDefinition } from '../kinds.ts'
import { isDnsLabel, isDnsSubdomain } from '../names/dns.ts'
import { nearest } from '../names/nearest.ts'
import type { ObjectMeta } from '../object.ts'
import type { Report } from './report.ts'

/** Fields of the Kubernetes API that are passed over. */
const passedOver = [
  'uid',
  'generation',
  'managedFields',
  'ownerReferences',
  'finalizers',
  'selfLink',
  'generateName',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
]
const read = ['name', 'namespace', 'labels', 'annotations', 'resourceVersion', 'creationTimestamp']

/** Undefined, with errors reported, where the object cannot even be named. */
export function readMetadata(value: unknown, definition: KindDefinition, report: Report): ObjectMeta | undefined {
  if (!isRecord(value)) {
    report.error({
      code: 'API_BAD_METADATA',
      path: ['metadata'],
      message: 'metadata with a name is needed',
      value,
      remedy: 'Add metadata: {name: ...}.',
    })
    return undefined
  }
  for (const key of Object.keys(value)) {
    if (read.includes(key) || passedOver.includes(key)) continue
    const meant = nearest(key, read)
    report.error({
      code: 'API_UNKNOWN_FIELD',
      path: ['metadata', key],
      at: 'key',
      message: `metadata has no field "${key}"${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
      remedy: meant === undefined ? `Remove it, or put it under labels or annotations.` : `Write ${meant}.`,
    })
  }
  const name = readName(value['name'], report)
  const namespace = readNamespace(value['namespace'], definition, report)
  const labels = readStrings(value['labels'], 'labels', report)
  const annotations = readStrings(value['annotations'], 'annotations', report)
  if (name === undefined || namespace === undefined) return undefined
  const { resourceVersion, creationTimestamp } = value
  return {
    name,
    namespace,
    labels,
    annotations,
    ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
    ...(typeof creationTimestamp === 'string' ? { creationTimestamp } : {}),
  }
}

function readName(value: unknown, report: Report): string | undefined {
  if (typeof value === 'string' && isDnsSubdomain(value)) return value
  report.error({
    code: 'API_BAD_METADATA',
    path: ['metadata', 'name'],
    message: value === undefined ? 'the object has no name' : 'not a valid name of an object',
    value,
    remedy: 'Use lower case letters, digits, - and ., beginning and ending with a letter or digit (quote a number).',
  })
  return undefined
}

function readNamespace(value: unknown, definition: KindDefinition, report: Report): string | undefined {
  if (definition.scope === 'Cluster') {
    if (typeof value === 'string' && value !== '') {
      report.warn({
        code: 'API_NAMESPACE_IGNORED',
        path: ['metadata', 'namespace'],
        message: `a ${definition.kind} holds for the whole mesh; its namespace is ignored`,
        value,
        remedy: 'Remove the namespace.',
      })
    }
    return ''
  }
  if (value === undefined || value === null || value === '') return 'default'
  if (typeof value === 'string' && isDnsLabel(value)) return value
  report.error({
    code: 'API_BAD_METADATA',
    path: ['metadata', 'namespace'],
    message: 'not a valid namespace',
    value,
    remedy: 'Use at most 63 lower case letters, digits and -, beginning and ending with a letter or digit.',
  })
  return undefined
}

function readStrings(value: unknown, field: string, report: Report): Record<string, string> {
  if (value === undefined || value === null) return {}
  const strings: Record<string, string> = {}
  if (!isRecord(value)) {
    const remedy = `Write ${field} as key: value lines, indented.`
    report.error({ code: 'API_BAD_TYPE', path: ['metadata', field], message: `${field} is a map`, value, remedy })
    return strings
  }
  for (const [key, each] of Object.entries(value)) {
    if (typeof each === 'string') strings[key] = each
    else {
      report.error({
        code: 'API_BAD_TYPE',
        path: ['metadata', field, key],
        message: 'a string is needed',
        value: each,
        remedy: 'Put the value in quotes.',
      })
    }
  }
  return strings
}
