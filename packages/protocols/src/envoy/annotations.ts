/**
 * Options of a filter that no rule kind has, as annotations of the ServiceEntry: `<protocol>.aeraki.io/<option>`. What is
 * wrong is reported and left out.
 */
import { tryParseDuration } from '@aeraki/api'
import type { EnvoyPort } from './contract.ts'

interface Reader<T> {
  /** As in `must be ...`. */
  readonly expected: string
  /** Undefined: not one. */
  read(text: string): T | undefined
}

export const flag: Reader<boolean> = {
  expected: '"true" or "false"',
  read: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
}

/** Milliseconds, at least 1. */
export const positiveDuration: Reader<number> = {
  expected: 'a duration of at least 1ms, such as "100ms"',
  read(text) {
    const ms = tryParseDuration(text)
    return ms !== undefined && ms >= 1 ? ms : undefined
  },
}

export const filePath: Reader<string> = {
  expected: 'the path of a file, from the root',
  read: (text) => (text.startsWith('/') ? text : undefined),
}

/** More than 0 and at most 100. */
export const percentage: Reader<number> = {
  expected: 'a number above 0 and up to 100',
  read(text) {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
    return value > 0 && value <= 100 ? value : undefined
  },
}

export function wholeNumber(least: number, most: number): Reader<number> {
  return {
    expected: `a whole number from ${least} to ${most}`,
    read(text) {
      const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
      return value >= least && value <= most ? value : undefined
    },
  }
}

/** Separated by commas; none twice, at least one. */
export function listOf<T>(item: Reader<T>): Reader<readonly T[]> {
  return {
    expected: `a list, separated by commas, of ${item.expected}`,
    read(text) {
      const values = text.split(',').map((part) => item.read(part.trim()))
      const good = values.filter((value) => value !== undefined)
      return good.length === values.length ? [...new Set(good)] : undefined
    },
  }
}

export const word: Reader<string> = {
  expected: 'a word',
  read: (text) => (/^\S+$/.test(text) ? text : undefined),
}

type Options = Readonly<Record<string, Reader<unknown>>>
type Values<O extends Options> = { readonly [K in keyof O]?: O[K] extends Reader<infer T> ? T : never }

/** Values of those that are there and good. Annotations of the protocol that are none of the options are reported, too. */
export function readAnnotations<O extends Options>(port: EnvoyPort, protocol: string, options: O): Values<O> {
  const prefix = `${protocol}.aeraki.io/`
  const found: Record<string, unknown> = {}
  for (const [key, text] of Object.entries(port.annotations)) {
    if (!key.startsWith(prefix)) continue
    const option = options[key.slice(prefix.length)]
    const value = option?.read(text.trim())
    if (value !== undefined) {
      found[key.slice(prefix.length)] = value
      continue
    }
    const names = Object.keys(options).map((name) => prefix + name)
    port.report(port.entry, {
      severity: 'warning',
      code: 'ENVOY_BAD_ANNOTATION',
      field: 'metadata.annotations',
      value: option === undefined ? key : text,
      message: option === undefined ? `there is no such option` : `${key} must be ${option.expected}: it has no effect`,
      remedy:
        option === undefined
          ? `use one of ${names.join(', ') || 'none'}`
          : 'correct the value, or remove the annotation',
    })
  }
  return found as Values<O>
}
