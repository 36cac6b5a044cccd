import type { Contender } from './contender.ts'

/** No proxy: what the load, the backend and the kernel take by themselves. */
export const direct: Contender = {
  name: 'direct',
  layer: 4,
  wires: ['dubbo', 'thrift'],
  launch: () => undefined,
}
