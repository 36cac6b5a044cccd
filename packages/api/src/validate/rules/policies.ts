/** Rules of DubboAuthorizationPolicy and EnvoyFilter. */
import type { FieldPath } from '../../field-path.ts'
import type { Report } from '../../load/report.ts'
import type { DubboAuthorizationPolicy } from '../../schema/dubbo-authorization-policy.ts'
import type { EnvoyConfigPatch, EnvoyFilter } from '../../schema/envoy-filter.ts'
import { badValue, doubtful, missing, oneAtMost } from './shared.ts'

export function checkDubboAuthorizationPolicy(spec: DubboAuthorizationPolicy, path: FieldPath, report: Report): void {
  const rules = spec.rules ?? []
  if (rules.length === 0) {
    const deny = spec.action === 'DENY'
    const message = deny ? 'DENY without rules denies nothing' : 'ALLOW without rules denies every call'
    doubtful(report, [...path, 'rules'], undefined, message, 'Add rules, if that is not what you want.')
  }
  for (const [i, rule] of rules.entries()) {
    const at = [...path, 'rules', i]
    for (const [j, { source }] of (rule.from ?? []).entries()) {
      checkPatterns(source ?? {}, [...at, 'from', j, 'source'], report)
    }
    for (const [j, { operation }] of (rule.to ?? []).entries()) {
      checkPatterns(operation ?? {}, [...at, 'to', j, 'operation'], report)
    }
  }
}

/** `abc`, `abc*`, `*abc` or `*`. */
const pattern = /^(\*|[^*]+|[^*]+\*|\*[^*]+)$/

function checkPatterns(
  lists: Readonly<Record<string, readonly string[] | undefined>>,
  path: FieldPath,
  report: Report,
): void {
  if (Object.keys(lists).length === 0) {
    missing(report, path, 'says nothing', 'Add a list of what it is about, or remove it.')
  }
  for (const [field, values] of Object.entries(lists)) {
    for (const [i, value] of (values ?? []).entries()) {
      if (pattern.test(value)) continue
      const remedy = 'Write abc, abc*, *abc or *.'
      badValue(report, [...path, field, i], value, 'a * stands at the beginning or the end only', remedy)
    }
  }
}

export function checkEnvoyFilter(spec: EnvoyFilter, path: FieldPath, report: Report): void {
  oneAtMost(report, path, spec, ['workloadSelector', 'targetRefs'])
  const patches = spec.configPatches ?? []
  if (patches.length === 0) {
    doubtful(report, [...path, 'configPatches'], undefined, 'changes nothing without patches', 'Add configPatches.')
  }
  for (const [i, patch] of patches.entries()) checkPatch(patch, [...path, 'configPatches', i], report)
}

function checkPatch({ applyTo, match, patch }: EnvoyConfigPatch, path: FieldPath, report: Report): void {
  if (patch?.operation === undefined) {
    missing(report, [...path, 'patch', 'operation'], 'operation is needed', 'Add patch: {operation, value}.')
  } else if (patch.operation !== 'REMOVE' && patch.value === undefined) {
    const message = `operation ${patch.operation} needs a value`
    missing(report, [...path, 'patch', 'value'], message, 'Add the configuration that it brings.')
  }
  oneAtMost(report, [...path, 'match'], match ?? {}, ['listener', 'routeConfiguration', 'cluster', 'waypoint'])
  const aboutListeners = ['LISTENER', 'FILTER_CHAIN', 'NETWORK_FILTER', 'HTTP_FILTER', 'LISTENER_FILTER']
  if (match?.listener !== undefined && !aboutListeners.includes(applyTo)) {
    const remedy = `Use one of ${aboutListeners.join(', ')}, or another match.`
    badValue(report, [...path, 'applyTo'], applyTo, 'cannot be chosen by a listener', remedy)
  }
}
