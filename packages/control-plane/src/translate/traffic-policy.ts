/**
 * Which traffic policy is in force for a subset and a port, with Istio's rules of inheritance: a subset's policy
 * overrides field by field; settings for a port replace what the same object says for all ports, wholly.
 */
import type { PortTrafficPolicy, TrafficPolicy } from '../mesh/model.ts'

const noPolicy: PortTrafficPolicy = {
  loadBalancer: undefined,
  connectionPool: undefined,
  outlier: undefined,
  tls: undefined,
}

export function effectivePolicy(
  service: TrafficPolicy | undefined,
  subset: TrafficPolicy | undefined,
  port: number,
): PortTrafficPolicy {
  return override(override(noPolicy, service, port), subset, port)
}

function override(base: PortTrafficPolicy, policy: TrafficPolicy | undefined, port: number): PortTrafficPolicy {
  if (policy === undefined) return base
  const forPort = policy.ports.get(port)
  if (forPort !== undefined) return forPort
  return {
    loadBalancer: policy.loadBalancer ?? base.loadBalancer,
    connectionPool: policy.connectionPool ?? base.connectionPool,
    outlier: policy.outlier ?? base.outlier,
    tls: policy.tls ?? base.tls,
  }
}
