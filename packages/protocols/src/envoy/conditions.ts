/** The conditions of rules, as Aeraki has always read them. */
import type { StringMatch } from '@aeraki/api'
import type { AttributeCondition } from './contract.ts'

export function conditionOf(name: string, match: StringMatch, invert: boolean): AttributeCondition {
  return { name: name.toLowerCase(), matcher: matcherOf(match), invert }
}

/** Of a MetaRouter. An empty match asks for nothing; the loader warns of it. */
export function attributeConditions(attributes: Readonly<Record<string, StringMatch>> = {}): AttributeCondition[] {
  return Object.entries(attributes)
    .filter(([, match]) => Object.keys(match).length > 0)
    .map(([name, match]) => conditionOf(name, match, false))
}

/** Nothing said, or the regular expression `*` (which is none), asks for presence. */
function matcherOf({ exact, prefix, regex }: StringMatch): AttributeCondition['matcher'] {
  if (exact !== undefined) return { kind: 'exact', value: exact }
  if (prefix !== undefined) return { kind: 'prefix', value: prefix }
  if (regex !== undefined && regex !== '*') return { kind: 'regex', pattern: regex }
  return { kind: 'present' }
}
