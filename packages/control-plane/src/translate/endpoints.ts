/** The endpoints of a cluster, as a client of some place should use them. */
import { create } from '@bufbuild/protobuf'
import { HealthStatus } from '@aeraki/xds/gen/envoy/config/core/v3/health_check_pb.ts'
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '@aeraki/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts'
import type { Endpoint, LocalitySetting } from '../mesh/model.ts'
import { localityMessage, socketAddress } from './common.ts'
import { type Client, fittingWeights, groupByLocality } from './locality.ts'

/** Envoy's default, in percent; said aloud because everyone who reads a config dump asks. */
const overprovisioningFactor = 140

export interface EndpointsInput {
  readonly cluster: string
  /** The service port whose endpoint ports count. */
  readonly port: number
  readonly endpoints: readonly Endpoint[]
  readonly setting: LocalitySetting | undefined
  readonly client: Client
}

export function loadAssignment(input: EndpointsInput): ClusterLoadAssignment {
  const { cluster, port, setting, client } = input
  const endpoints = input.endpoints.filter(({ ports }) => ports.has(port))
  return create(ClusterLoadAssignmentSchema, {
    clusterName: cluster,
    policy: { overprovisioningFactor: overprovisioningFactor },
    endpoints: groupByLocality(endpoints, setting, client).map((group) => {
      const weights = fittingWeights(group.endpoints.map(({ weight }) => weight))
      return {
        locality: localityMessage(group.locality),
        priority: group.priority,
        ...(group.weight === undefined ? {} : { loadBalancingWeight: group.weight }),
        lbEndpoints: group.endpoints.map((endpoint, index) => ({
          healthStatus: HealthStatus.UNKNOWN,
          loadBalancingWeight: weights[index] ?? 1,
          hostIdentifier: {
            case: 'endpoint' as const,
            value: { address: socketAddress(endpoint.address, endpoint.ports.get(port) ?? port) },
          },
        })),
      }
    }),
  })
}
