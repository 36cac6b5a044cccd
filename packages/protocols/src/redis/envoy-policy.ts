/** Which RedisService or RedisDestination is a service's: the oldest of its namespace that names the host. */
import type { LoadedObject } from '@aeraki/api'
import type { EnvoyPort, ObjectRef } from '../envoy/contract.ts'

/** Reports the others that name it, too. */
export function onlyFor<P extends Pick<LoadedObject, 'kind' | 'metadata'>>(
  port: EnvoyPort,
  policies: readonly P[],
  hostsOf: (policy: P) => readonly string[],
  field: string,
): P | undefined {
  const own = port.fullName(port.host)
  const [first, ...others] = policies.filter((policy) => hostsOf(policy).some((host) => port.fullName(host) === own))
  if (first === undefined) return undefined
  for (const other of others) {
    port.report(refOf(other), {
      severity: 'warning',
      code: 'ENVOY_DUPLICATE_POLICY',
      field,
      value: port.host,
      message: `${first.kind} ${first.metadata.name} of this namespace is for ${port.host} already; this one has no effect on it`,
      remedy: 'put both into one object, or remove the host from one of them',
    })
  }
  return first
}

export function refOf({ kind, metadata }: Pick<LoadedObject, 'kind' | 'metadata'>): ObjectRef {
  return { kind, namespace: metadata.namespace, name: metadata.name }
}
