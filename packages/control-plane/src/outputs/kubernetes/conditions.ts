/**
 * What the status of an object of ours should say.
 *
 *   Accepted     the object is valid; else the reason is the code of its first error
 *   Programmed   it is in force; else the reason is the code of what keeps it from that
 *
 * https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
 */
import type { Diagnostic } from '@aeraki/api'

export interface Condition {
  readonly type: 'Accepted' | 'Programmed'
  readonly status: 'True' | 'False'
  /** A word for programs: ours, or one of our codes (docs/errors.md). */
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
  readonly lastTransitionTime: string
}

/** Findings after which an object does nothing at all. */
const withoutEffect = new Set([
  'MESH_UNKNOWN_HOST',
  'MESH_UNKNOWN_CODEC',
  'MESH_UNSUPPORTED_KIND',
  'STORE_DUPLICATE',
  'STORE_KEPT',
])
const longestMessage = 4000

/** `before`: the conditions that stand there, whose times are kept while they say the same. */
export function conditionsOf(
  generation: number,
  findings: readonly Diagnostic[],
  before: readonly Condition[],
  now: Date,
): Condition[] {
  const errors = findings.filter(({ severity }) => severity === 'error')
  const warnings = findings.filter(({ severity }) => severity === 'warning')
  const inert = warnings.find(({ code }) => withoutEffect.has(code))
  const accepted = outcome(errors[0], 'Accepted', errors, 'The object is valid.')
  const programmed =
    errors.length > 0
      ? { ok: false, reason: 'NotAccepted', message: 'Its last valid version, if there was one, stays in force.' }
      : outcome(inert, 'Programmed', warnings, 'The object is in force.')
  return [condition('Accepted', accepted), condition('Programmed', programmed)]

  function condition(type: Condition['type'], { ok, reason, message }: Outcome): Condition {
    const status = ok ? 'True' : 'False'
    const earlier = before.find((each) => each.type === type)
    const since = earlier?.status === status ? earlier.lastTransitionTime : `${now.toISOString().slice(0, 19)}Z`
    return { type, status, reason, message, observedGeneration: generation, lastTransitionTime: since }
  }
}

interface Outcome {
  readonly ok: boolean
  readonly reason: string
  readonly message: string
}

function outcome(problem: Diagnostic | undefined, good: string, said: readonly Diagnostic[], praise: string): Outcome {
  const message = said.length === 0 ? praise : said.map(sentence).join('\n').slice(0, longestMessage)
  return { ok: problem === undefined, reason: problem?.code ?? good, message }
}

function sentence({ code, field, message, remedy }: Diagnostic): string {
  return `${code}${field === '' ? '' : ` ${field}`}: ${message}. ${remedy}`
}
