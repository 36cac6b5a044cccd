import { dubboWire } from './dubbo.ts'
import { thriftWire } from './thrift.ts'
import type { Wire, WireName } from './wire.ts'

export const wires: Readonly<Record<WireName, Wire>> = { dubbo: dubboWire, thrift: thriftWire }
