/** Istio ServiceEntry and WorkloadEntry (networking.istio.io v1, v1beta1, v1alpha3). */
import { type Static, Type } from 'typebox'
import { closed, LabelSelector, mapOf, oneOf, portNumber, strings, uint32 } from './builders.ts'

export const WorkloadEntry = closed({
  address: Type.Optional(Type.String({ description: 'IP address, DNS name or unix:///path of the workload.' })),
  ports: Type.Optional(mapOf(portNumber(), { description: 'Port name of the service to the port of the workload.' })),
  labels: Type.Optional(mapOf(Type.String())),
  network: Type.Optional(Type.String()),
  locality: Type.Optional(Type.String({ description: 'region/zone/sub-zone' })),
  weight: Type.Optional(uint32()),
  serviceAccount: Type.Optional(Type.String()),
})
export type WorkloadEntry = Static<typeof WorkloadEntry>

export const ServicePort = closed({
  number: portNumber(),
  protocol: Type.Optional(Type.String()),
  name: Type.String(),
  targetPort: Type.Optional(portNumber()),
  appProtocol: Type.Optional(
    Type.String({
      description:
        'Extension over Istio: `aeraki.io/<protocol>` names the layer-7 protocol whatever the port is called.',
    }),
  ),
})
export type ServicePort = Static<typeof ServicePort>

export const ServiceEntry = closed({
  hosts: strings({ minItems: 1 }),
  addresses: Type.Optional(strings()),
  ports: Type.Optional(Type.Array(ServicePort)),
  location: Type.Optional(oneOf(['MESH_EXTERNAL', 'MESH_INTERNAL'])),
  resolution: Type.Optional(oneOf(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'])),
  endpoints: Type.Optional(Type.Array(WorkloadEntry)),
  workloadSelector: Type.Optional(LabelSelector),
  exportTo: Type.Optional(strings()),
  subjectAltNames: Type.Optional(strings()),
})
export type ServiceEntry = Static<typeof ServiceEntry>
