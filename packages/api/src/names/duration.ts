/**
 * Durations in Go's notation, which Istio's resources use:
 *
 *     duration = [ "+" | "-" ] ( "0" | part { part } )
 *     part     = number unit            number = digits [ "." digits ] | "." digits
 *     unit     = "ns" | "us" | "µs" | "ms" | "s" | "m" | "h"
 *
 * https://pkg.go.dev/time#ParseDuration; like there, the longest is 2^63 - 1 ns, 292 years.
 */
import { AerakiError } from '../errors.ts'

const milliseconds: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

const whole = /^([+-]?)(0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/
const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g

const longest = 2 ** 63 / 1e6

/** Milliseconds, possibly with a fraction; undefined for what is no duration. */
export function tryParseDuration(text: string): number | undefined {
  const match = whole.exec(text)
  if (match === null) return undefined
  const [, sign, parts = ''] = match
  let sum = 0
  for (const [, number, unit = ''] of parts.matchAll(part)) sum += Number(number) * (milliseconds[unit] ?? 0)
  if (sum >= longest) return undefined
  return sign === '-' ? -sum : sum
}

/**
 * Milliseconds of `1h2m3.5s`.
 * @throws AerakiError API_BAD_DURATION
 */
export function parseDuration(text: string): number {
  const parsed = tryParseDuration(text)
  if (parsed !== undefined) return parsed
  const form = 'Write a number with its unit: 100ms, 1.5s, 5m, 1h30m.'
  throw new AerakiError('API_BAD_DURATION', `"${text}" is not a duration. ${form}`)
}

/** A duration that is not negative. */
export function isDuration(text: string): boolean {
  const parsed = tryParseDuration(text)
  return parsed !== undefined && parsed >= 0
}
