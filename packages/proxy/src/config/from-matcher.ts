/** `envoy.config.route.v3.HeaderMatcher`, which in this proxy matches an attribute of a request. */
import { compileRegex } from '../regex.ts'
import type { HeaderMatcher } from '@aeraki/xds/gen-lean/envoy/config/route/v3/route_components_pb.ts'
import type { RegexMatcher } from '@aeraki/xds/gen-lean/envoy/type/matcher/v3/regex_pb.ts'
import type { StringMatcher as StringMatcherMessage } from '@aeraki/xds/gen-lean/envoy/type/matcher/v3/string_pb.ts'
import type { AttributeMatch, StringMatcher } from './model.ts'
import type { Place } from './refusal.ts'

export function attributeMatch(message: HeaderMatcher, place: Place): AttributeMatch {
  if (message.name === '') throw place.at('name').invalid('is empty; give the name of an attribute of the protocol')
  if (message.treatMissingHeaderAsEmpty) {
    throw place.at('treat_missing_header_as_empty').unsupported('true; a missing attribute never matches here')
  }
  const name = message.name.toLowerCase()
  const invert = message.invertMatch
  const specifier = message.headerMatchSpecifier
  switch (specifier.case) {
    case 'presentMatch':
      // `present_match: false` asks for absence, `invert_match` turns that round once more.
      return { name, matcher: { kind: 'present' }, invert: invert !== !specifier.value }
    case 'exactMatch':
      return { name, matcher: exact(specifier.value, false), invert }
    case 'prefixMatch':
      return { name, matcher: { kind: 'prefix', value: specifier.value, ignoreCase: false }, invert }
    case 'suffixMatch':
      return { name, matcher: { kind: 'suffix', value: specifier.value, ignoreCase: false }, invert }
    case 'containsMatch':
      return { name, matcher: { kind: 'contains', value: specifier.value, ignoreCase: false }, invert }
    case 'safeRegexMatch':
      return { name, matcher: regex(specifier.value, place.at('safe_regex_match')), invert }
    case 'stringMatch':
      return { name, matcher: stringMatcher(specifier.value, place.at('string_match')), invert }
    case 'rangeMatch':
      throw place.at('range_match').unsupported('attributes are text; use string_match with a safe_regex')
    default:
      return { name, matcher: { kind: 'present' }, invert }
  }
}

function stringMatcher(message: StringMatcherMessage, place: Place): StringMatcher {
  const ignoreCase = message.ignoreCase
  const pattern = message.matchPattern
  switch (pattern.case) {
    case 'exact':
      return exact(pattern.value, ignoreCase)
    case 'prefix':
      return { kind: 'prefix', value: pattern.value, ignoreCase }
    case 'suffix':
      return { kind: 'suffix', value: pattern.value, ignoreCase }
    case 'contains':
      return { kind: 'contains', value: pattern.value, ignoreCase }
    case 'safeRegex':
      return regex(pattern.value, place.at('safe_regex'))
    case 'custom':
      throw place.at('custom').unsupported(`"${pattern.value.name}"; use exact, prefix, suffix, contains or safe_regex`)
    default:
      throw place.invalid('is empty; give exact, prefix, suffix, contains or safe_regex')
  }
}

/** An empty exact value matches any value that is there: what Aeraki's rules have always meant by it. */
function exact(value: string, ignoreCase: boolean): StringMatcher {
  return value === '' ? { kind: 'present' } : { kind: 'exact', value, ignoreCase }
}

function regex(message: RegexMatcher, place: Place): StringMatcher {
  try {
    compileRegex(message.regex)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw place
      .at('regex')
      .invalid(`"${message.regex}" is not a regular expression of RE2: ${reason} (no lookaround, no back-references)`)
  }
  return { kind: 'regex', pattern: message.regex }
}
