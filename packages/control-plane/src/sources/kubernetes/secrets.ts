/** Secrets, each by its name: the right to read one is no right to read the others of its namespace. */
import {
  core,
  type KubernetesClient,
  type KubernetesObject,
  mapReceiver,
  type Reflector,
  type ReflectorTiming,
  startReflector,
} from '@aeraki/kubernetes'
import { setTimeout } from 'node:timers/promises'

export interface Secrets {
  /** From now on exactly these are followed: `namespace/name`. */
  need(keys: ReadonlySet<string>): void
  get(key: string): KubernetesObject | undefined
  /** Resolves when all that are needed were looked for, or after so many milliseconds. */
  settled(patienceMs: number): Promise<void>
  reflectors(): Iterable<Reflector>
  close(): Promise<void>
}

export interface SecretsOptions {
  readonly client: KubernetesClient
  readonly timing: Partial<ReflectorTiming>
  readonly touch: (key: string) => void
}

export function createSecrets({ client, timing, touch }: SecretsOptions): Secrets {
  const objects = new Map<string, KubernetesObject>()
  const following = new Map<string, Reflector>()
  const closing = new Set<Promise<void>>()

  function stop(key: string, reflector: Reflector): void {
    following.delete(key)
    objects.delete(key)
    touch(key)
    const done = reflector.close().finally(() => closing.delete(done))
    closing.add(done)
  }

  return {
    need(keys) {
      for (const [key, reflector] of following) if (!keys.has(key)) stop(key, reflector)
      for (const key of keys) {
        if (following.has(key)) continue
        const [namespace = '', name = ''] = key.split('/')
        const own = new Map<string, KubernetesObject>()
        const receiver = mapReceiver(own, essence, (touched) => {
          const object = own.get(touched)
          if (object === undefined) objects.delete(touched)
          else objects.set(touched, object)
          touch(touched)
        })
        following.set(
          key,
          startReflector({
            client,
            resource: core.secrets,
            namespace,
            fieldSelector: `metadata.name=${name}`,
            receiver,
            timing,
            // Where the right is missing, what needs the password says so.
            optional: true,
          }),
        )
      }
    },
    get: (key) => objects.get(key),
    async settled(patienceMs) {
      const all = Promise.all([...following.values()].map(({ firstSync }) => firstSync))
      await Promise.race([all, setTimeout(patienceMs, undefined, { ref: false })])
    },
    reflectors: () => following.values(),
    async close() {
      await Promise.all([...closing, ...[...following.values()].map((reflector) => reflector.close())])
    },
  }
}

/** Without what its owner's tools noted, which may repeat the passwords. */
function essence({ apiVersion, kind, metadata, type, data }: KubernetesObject): KubernetesObject {
  const { name, namespace, uid, resourceVersion } = metadata
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    type,
    ...(data === undefined ? {} : { data }),
  }
}
