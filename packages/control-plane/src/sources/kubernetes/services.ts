/** Joins Services with their EndpointSlices, pods and nodes, and says which Services a change touches. */
import type { ObjectOf } from '@aeraki/api'
import { type KubernetesObject, mapReceiver, objectKey, type Receiver } from '@aeraki/kubernetes'
import { type EndpointSlice, type Service, serviceEntryOf, serviceNameLabel } from './service-entry.ts'

export interface Services {
  readonly services: Receiver
  readonly slices: Receiver
  /** Of metadata alone. */
  readonly pods: Receiver
  readonly nodes: Receiver
  /** By `namespace/name` of the Service. Undefined: it is not there, or has no port of ours. */
  entryOf(key: string): ObjectOf<'ServiceEntry'> | undefined
}

export interface ServicesOptions {
  readonly domain: string
  readonly touch: (key: string) => void
}

type Labels = Readonly<Record<string, string>>

export function createServices({ domain, touch }: ServicesOptions): Services {
  const services = new Map<string, Service>()
  const slices = new Map<string, EndpointSlice>()
  const slicesOf = new Map<string, Set<string>>()
  const pods = new Map<string, string>()
  const nodes = new Map<string, string>()
  /** Which Services were made with the labels of a pod or node, known or not. */
  const readers = { pod: new Map<string, Set<string>>(), node: new Map<string, Set<string>>() }

  function linkSlice(key: string, slice: EndpointSlice | undefined, before: EndpointSlice | undefined): void {
    const was = before === undefined ? undefined : serviceKeyOf(before)
    const is = slice === undefined ? undefined : serviceKeyOf(slice)
    if (was !== undefined && was !== is) {
      slicesOf.get(was)?.delete(key)
      touch(was)
    }
    if (is === undefined) return
    const known = slicesOf.get(is)
    if (known === undefined) slicesOf.set(is, new Set([key]))
    else known.add(key)
    touch(is)
  }

  function takeSlice(object: KubernetesObject): void {
    const key = objectKey(object)
    const before = slices.get(key)
    if (before?.metadata.resourceVersion === object.metadata.resourceVersion) return
    slices.set(key, object)
    linkSlice(key, object, before)
  }

  function dropSlice(key: string): void {
    const before = slices.get(key)
    slices.delete(key)
    linkSlice(key, undefined, before)
  }

  /** Pods change all the time; their labels hardly ever. Kept as text, as most are never looked at. */
  function labelled(labels: Map<string, string>, users: Map<string, Set<string>>): Receiver {
    const touchUsers = (key: string): void => {
      for (const service of users.get(key) ?? []) touch(service)
    }
    return receiverOf({
      known: () => labels.keys(),
      take(object) {
        const key = objectKey(object)
        const text = JSON.stringify(object.metadata.labels ?? {})
        if (labels.get(key) === text) return
        labels.set(key, text)
        touchUsers(key)
      },
      drop(key) {
        if (!labels.delete(key)) return
        touchUsers(key)
        // Those who still name it say so when they are made again.
        users.delete(key)
      },
    })
  }

  function forget(service: string): void {
    for (const users of [readers.pod, readers.node]) {
      for (const [key, set] of users) if (set.delete(service) && set.size === 0) users.delete(key)
    }
  }

  return {
    services: mapReceiver(services, (object) => object as Service, touch),
    slices: receiverOf({ known: () => slices.keys(), take: takeSlice, drop: dropSlice }),
    pods: labelled(pods, readers.pod),
    nodes: labelled(nodes, readers.node),
    entryOf(key) {
      const service = services.get(key)
      if (service === undefined) {
        forget(key)
        return undefined
      }
      return serviceEntryOf(service, {
        domain,
        slices: [...(slicesOf.get(key) ?? [])].toSorted().flatMap((slice) => slices.get(slice) ?? []),
        podLabels: (pod) => lookUp(pods, readers.pod, pod, key),
        nodeLabels: (node) => lookUp(nodes, readers.node, node, key),
      })
    },
  }
}

function serviceKeyOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[serviceNameLabel]
  return name === undefined ? undefined : `${metadata.namespace ?? ''}/${name}`
}

function lookUp(
  labels: Map<string, string>,
  users: Map<string, Set<string>>,
  key: string,
  service: string,
): Labels | undefined {
  const known = users.get(key)
  if (known === undefined) users.set(key, new Set([service]))
  else known.add(service)
  const text = labels.get(key)
  return text === undefined ? undefined : (JSON.parse(text) as Labels)
}

interface Keeper {
  readonly known: () => Iterable<string>
  readonly take: (object: KubernetesObject) => void
  readonly drop: (key: string) => void
}

function receiverOf({ known, take, drop }: Keeper): Receiver {
  return {
    replaced(objects) {
      const gone = new Set(known())
      for (const object of objects) {
        gone.delete(objectKey(object))
        take(object)
      }
      for (const key of gone) drop(key)
    },
    changed: take,
    deleted: (object) => drop(objectKey(object)),
  }
}
