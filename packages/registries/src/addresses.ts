/** Addresses and ports as registries write them. */
import { isIP } from 'node:net'

/** Without brackets, v6 in lower case; undefined for what is no IP address or stands for all of them. */
export function ipAddress(text: string): string | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  const [address = ''] = bare.split('%')
  if (isIP(address) === 0 || address === '0.0.0.0' || address === '::') return undefined
  return address.toLowerCase()
}

/** 1 to 65535; undefined for everything else. */
export function portNumber(value: unknown): number | undefined {
  const number =
    typeof value === 'number' ? value : typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : NaN
  return Number.isInteger(number) && number >= 1 && number <= 65_535 ? number : undefined
}
