/** One condition on an attribute's value, compiled to a closure that allocates nothing. */
import { compileRegex } from '../regex.ts'
import type { AttributeMatch, StringMatcher } from '../config/model.ts'

export interface AttributeTest {
  readonly name: string
  /** @param value undefined: the request has no such attribute */
  matches(value: string | undefined): boolean
}

/**
 * As Envoy has it: an attribute that is not there matches no condition on its value, inverted or not; only `present`
 * inverted matches it.
 */
export function compileMatch(match: AttributeMatch): AttributeTest {
  const { name, matcher, invert } = match
  if (matcher.kind === 'present' || isPresence(matcher))
    return { name, matches: (value) => (value !== undefined) !== invert }
  const test = valueTest(matcher)
  return { name, matches: (value) => value !== undefined && test(value) !== invert }
}

/** Envoy takes an exact match on the empty string for one on presence. */
export function isPresence(matcher: StringMatcher): boolean {
  return matcher.kind === 'present' || (matcher.kind === 'exact' && matcher.value === '')
}

type ValueTest = (value: string) => boolean

function valueTest(matcher: Exclude<StringMatcher, { kind: 'present' }>): ValueTest {
  if (matcher.kind === 'regex') {
    const pattern = compileRegex(matcher.pattern)
    return (value) => pattern.matches(value)
  }
  if (!matcher.ignoreCase) return sameCaseTest(matcher.kind, matcher.value)
  const test = sameCaseTest(matcher.kind, asciiLowerCase(matcher.value))
  return (value) => test(asciiLowerCase(value))
}

function sameCaseTest(kind: 'exact' | 'prefix' | 'suffix' | 'contains', expected: string): ValueTest {
  switch (kind) {
    case 'exact':
      return (value) => value === expected
    case 'prefix':
      return (value) => value.startsWith(expected)
    case 'suffix':
      return (value) => value.endsWith(expected)
    default:
      return (value) => value.includes(expected)
  }
}

/** As Envoy: only A to Z have another case. */
function asciiLowerCase(text: string): string {
  return text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())
}
