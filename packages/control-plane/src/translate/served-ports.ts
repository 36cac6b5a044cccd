/** Which ports of a service a data plane serves. */
import type { Service } from '../mesh/model.ts'

/** Numbers, in the order of the service's ports. */
export type ServedPorts = (service: Service) => readonly number[]

/** Those whose protocol has a codec: the MetaProtocol Proxy speaks nothing else. */
export const codecPorts: ServedPorts = ({ ports }) =>
  ports.filter(({ protocol }) => protocol !== undefined).map(({ number }) => number)

/** All: to a stock Envoy, what it does not understand is plain TCP. */
export const allPorts: ServedPorts = ({ ports }) => ports.map(({ number }) => number)
