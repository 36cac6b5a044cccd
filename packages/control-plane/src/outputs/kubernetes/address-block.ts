/** A block of IPv4 addresses to be given away, in CIDR form: `240.241.0.0/16`. The first and the last one are not. */
import { isIPv4 } from 'node:net'

export interface AddressBlock {
  readonly text: string
  /** How many there are to give. */
  readonly size: number
  /** From 0 to `size` - 1. */
  at(index: number): string
  has(address: string): boolean
}

export type ParsedBlock =
  | { readonly kind: 'block'; readonly block: AddressBlock }
  /** `problem`: for people. */
  | { readonly kind: 'wrong'; readonly problem: string }

/** Out of it istiod itself gives addresses to ServiceEntries that have none. */
const istios = { network: '240.240.0.0', bits: 16 }

/** Large enough for a mesh, and not so large that it holds what is in use. */
const widest = 8
const narrowest = 28

export function parseAddressBlock(text: string): ParsedBlock {
  const [network = '', length = '', ...rest] = text.split('/')
  const bits = Number(length)
  if (!isIPv4(network) || !/^\d+$/.test(length) || rest.length > 0) {
    return wrong(`is no block of IPv4 addresses, such as ${defaultAddressBlock.text}`)
  }
  if (bits < widest || bits > narrowest) return wrong(`is to have a length from /${widest} to /${narrowest}`)
  const first = numberOf(network)
  const count = 2 ** (32 - bits)
  if (first % count !== 0)
    return wrong(`does not begin where a block of /${bits} does: ${textOf(first - (first % count))}`)
  const istioFirst = numberOf(istios.network)
  if (first < istioFirst + 2 ** (32 - istios.bits) && istioFirst < first + count) {
    return wrong(`overlaps Istio's own ${istios.network}/${istios.bits}`)
  }
  return { kind: 'block', block: blockOf(network, bits) }
}

/** Beside Istio's. */
export const defaultAddressBlock = blockOf('240.241.0.0', 16)

function blockOf(network: string, bits: number): AddressBlock {
  const first = numberOf(network)
  const size = 2 ** (32 - bits) - 2
  return {
    text: `${network}/${bits}`,
    size,
    at: (index) => textOf(first + 1 + index),
    has: (address) => isIPv4(address) && numberOf(address) > first && numberOf(address) <= first + size,
  }
}

function wrong(problem: string): ParsedBlock {
  return { kind: 'wrong', problem }
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

function textOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
}
