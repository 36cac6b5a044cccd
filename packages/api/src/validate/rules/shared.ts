/** Rules that several kinds share. Each reports at the field it is about. */
import { isIP } from 'node:net'
import { RE2JS } from 're2js'
import type { FieldPath } from '../../field-path.ts'
import type { Report } from '../../load/report.ts'
import { isDnsLabel, isFqdn, isSubsetName, isWildcardHost } from '../../names/dns.ts'
import { tryParseDuration } from '../../names/duration.ts'
import type { Destination, Percent, StringMatch } from '../../schema/builders.ts'

export function checkHost(report: Report, path: FieldPath, host: string, form: 'plain' | 'wildcard' = 'plain'): void {
  if (form === 'wildcard' ? isWildcardHost(host) : isFqdn(host)) return
  report.error({
    code: 'API_BAD_HOST',
    path,
    value: host,
    message: 'not a valid host name',
    remedy: `Use labels of letters, digits and - joined by dots, such as orders.shop.svc.cluster.local${form === 'wildcard' ? '; a wildcard is a first label *' : ', without wildcard'}.`,
  })
}

export function checkDestination(report: Report, path: FieldPath, destination: Destination): void {
  checkHost(report, [...path, 'host'], destination.host)
  if (destination.subset !== undefined) checkSubsetName(report, [...path, 'subset'], destination.subset)
}

export function checkSubsetName(report: Report, path: FieldPath, name: string): void {
  if (isSubsetName(name)) return
  report.error({
    code: 'API_BAD_NAME',
    path,
    value: name,
    message: 'not a valid name of a subset',
    remedy: 'Use at most 63 letters, digits and -, beginning and ending with a letter or digit.',
  })
}

export function checkStringMatch(report: Report, path: FieldPath, match: StringMatch): void {
  oneAtMost(report, path, match, ['exact', 'prefix', 'regex'])
  if (match.regex !== undefined && match.regex !== '*') checkRegex(report, [...path, 'regex'], match.regex)
}

export function checkStringMatches(
  report: Report,
  path: FieldPath,
  matches: Readonly<Record<string, StringMatch>> | undefined,
): void {
  for (const [key, match] of Object.entries(matches ?? {})) checkStringMatch(report, [...path, key], match)
}

const goodRegexes = new Set<string>()
const mostRegexes = 10_000

export function checkRegex(report: Report, path: FieldPath, regex: string): void {
  if (goodRegexes.has(regex)) return
  try {
    RE2JS.compile(regex)
    if (goodRegexes.size < mostRegexes) goodRegexes.add(regex)
  } catch (error) {
    report.error({
      code: 'API_BAD_REGEX',
      path,
      value: regex,
      message: error instanceof Error ? error.message : String(error),
      remedy: 'Write it in RE2 syntax: no look-around and no back-references.',
    })
  }
}

/** Weights are percentages and have to sum to 100 where there is a choice. */
export function checkWeightsSumTo100(
  report: Report,
  path: FieldPath,
  routes: readonly { readonly weight?: number | undefined }[],
): void {
  if (routes.length < 2) return
  const sum = routes.reduce((total, route) => total + (route.weight ?? 0), 0)
  if (sum === 100) return
  report.error({
    code: 'API_BAD_WEIGHTS',
    path,
    value: routes.map((route) => route.weight ?? 0),
    message: `the weights sum to ${sum}, not to 100`,
    remedy: 'Change the weights so that they sum to 100.',
  })
}

/** On the wire the sum is a uint32. */
const mostWeight = 4_294_967_295

/** Istio's rule: weights are proportions; none negative, and not all zero where there is a choice. */
export function checkProportions(
  report: Report,
  path: FieldPath,
  routes: readonly { readonly weight?: number | undefined }[],
): void {
  let sum = 0
  for (const [i, { weight = 0 }] of routes.entries()) {
    sum += weight
    if (weight >= 0) continue
    report.error({
      code: 'API_OUT_OF_RANGE',
      path: [...path, i, 'weight'],
      value: weight,
      message: 'a weight must not be negative',
      remedy: 'Use a value from 0 to 100.',
    })
  }
  if (sum > mostWeight) {
    const message = `the weights sum to ${sum}, more than ${mostWeight}`
    const remedy = 'Use smaller weights: only their proportions count.'
    report.error({ code: 'API_BAD_WEIGHTS', path, value: sum, message, remedy })
    return
  }
  if (routes.length < 2 || sum === 100) return
  const finding = {
    code: 'API_BAD_WEIGHTS',
    path,
    value: routes.map((route) => route.weight ?? 0),
    remedy: 'Change the weights so that they sum to 100.',
  }
  if (sum <= 0) report.error({ ...finding, message: 'no destination has a weight' })
  else report.warn({ ...finding, message: `the weights sum to ${sum}, not to 100; they are read as proportions` })
}

export function checkPercentage(report: Report, path: FieldPath, percentage: Percent | undefined): void {
  if (percentage === undefined) return
  const { value } = percentage
  if (value !== undefined && value > 0) return
  report.error({
    code: 'API_OUT_OF_RANGE',
    path: [...path, 'value'],
    value,
    message: 'must be more than 0 and at most 100',
    remedy: 'Use such a value, or remove the field.',
  })
}

/** At least 1 ms, as Istio asks of most durations. Its form was checked before. */
export function checkPositiveDuration(report: Report, path: FieldPath, text: string | undefined): void {
  if (text === undefined || (tryParseDuration(text) ?? 0) >= 1) return
  report.error({
    code: 'API_BAD_DURATION',
    path,
    value: text,
    message: 'must be at least 1ms',
    remedy: 'Use a longer duration, or remove the field.',
  })
}

const exportWords = ['.', '*', '~']

export function checkExportTo(
  report: Report,
  path: FieldPath,
  exportTo: readonly string[] | undefined,
  namespace: string,
): void {
  const seen = new Set<string>()
  for (const [i, entry] of (exportTo ?? []).entries()) {
    const at = [...path, i]
    if (!exportWords.includes(entry) && !isDnsLabel(entry)) {
      report.error({
        code: 'API_BAD_EXPORT_TO',
        path: at,
        value: entry,
        message: 'neither a namespace nor one of . * ~',
        remedy: 'Name a namespace, or write "." (this one), "*" (all) or "~" (none).',
      })
    }
    const resolved = entry === '.' ? namespace : entry
    if (seen.has(resolved)) {
      const remedy = 'Remove one of the two.'
      report.error({ code: 'API_BAD_EXPORT_TO', path: at, value: entry, message: 'named twice', remedy })
    }
    seen.add(resolved)
  }
  if (seen.size < 2 || !(seen.has('*') || seen.has('~'))) return
  report.error({
    code: 'API_BAD_EXPORT_TO',
    path,
    value: exportTo,
    message: '* and ~ stand alone',
    remedy: 'Remove it, or the namespaces beside it.',
  })
}

/** Reports where more than one of the fields is set. */
export function oneAtMost(report: Report, path: FieldPath, record: object, fields: readonly string[]): void {
  const set = setFields(record, fields)
  if (set.length < 2) return
  report.error({
    code: 'API_TOO_MANY_OF',
    path: [...path, set[1] ?? ''],
    at: 'key',
    message: `${set.join(' and ')} exclude each other`,
    remedy: `Keep one of ${set.join(', ')}.`,
  })
}

/** Reports where none, or more than one, of the fields is set. */
export function exactlyOne(report: Report, path: FieldPath, record: object, fields: readonly string[]): void {
  if (setFields(record, fields).length > 0) {
    oneAtMost(report, path, record, fields)
    return
  }
  missing(report, path, `one of ${fields.join(', ')} is needed`, `Add one of ${fields.join(', ')}.`)
}

function setFields(record: object, fields: readonly string[]): string[] {
  const present = new Map<string, unknown>(Object.entries(record))
  return fields.filter((field) => present.get(field) !== undefined)
}

export function missing(report: Report, path: FieldPath, message: string, remedy: string): void {
  report.error({ code: 'API_MISSING_FIELD', path, message, remedy })
}

export function badValue(report: Report, path: FieldPath, value: unknown, message: string, remedy: string): void {
  report.error({ code: 'API_BAD_VALUE', path, value, message, remedy })
}

export function doubtful(report: Report, path: FieldPath, value: unknown, message: string, remedy: string): void {
  report.warn({ code: 'API_DOUBTFUL', path, value, message, remedy })
}

/** Reports every value but the first of its kind; `of` gives what has to differ, undefined where it does not matter. */
export function noTwice<T>(
  report: Report,
  path: FieldPath,
  items: readonly T[] | undefined,
  of: (item: T) => string | number | undefined,
  field?: string,
): void {
  const first = new Map<string | number, number>()
  for (const [i, item] of (items ?? []).entries()) {
    const value = of(item)
    if (value === undefined) continue
    const earlier = first.get(value)
    if (earlier === undefined) {
      first.set(value, i)
      continue
    }
    report.error({
      code: 'API_DUPLICATE_VALUE',
      path: [...path, i, ...(field === undefined ? [] : [field])],
      value,
      message: `the same as that of entry ${earlier}`,
      remedy: 'Change or remove one of the two.',
    })
  }
}

/** Routes are tried in order, so nothing comes past one that matches everything. */
export function warnUnreachable(report: Report, path: FieldPath, matchesAll: readonly boolean[]): void {
  const last = matchesAll.indexOf(true)
  if (last < 0 || last === matchesAll.length - 1) return
  report.warn({
    code: 'API_UNREACHABLE_ROUTE',
    path: [...path, last + 1],
    message: `no request comes here: route ${last} before it has no match and takes all`,
    remedy: 'Only the last rule can have no match: move that one to the end.',
  })
}

/** An address or a range in CIDR notation. */
export function isAddress(text: string, allow: 'address' | 'range' = 'address'): boolean {
  if (isIP(text) !== 0) return true
  if (allow === 'address') return false
  const [address = '', bits = '', more] = text.split('/')
  const version = isIP(address)
  return version !== 0 && more === undefined && /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)
}

export function checkSubnets(report: Report, path: FieldPath, subnets: readonly string[] | undefined): void {
  for (const [i, subnet] of (subnets ?? []).entries()) checkSubnet(report, [...path, i], subnet)
}

export function checkSubnet(report: Report, path: FieldPath, subnet: string): void {
  if (isAddress(subnet, 'range')) return
  badValue(report, path, subnet, 'not an IP address or range', 'Write such as 10.0.0.0/8.')
}

/** `name` or `namespace/name` of a Gateway; Istio's `mesh` is a name too. */
export function checkGatewayNames(report: Report, path: FieldPath, names: readonly string[] | undefined): void {
  for (const [i, name] of (names ?? []).entries()) {
    const parts = name.split('/')
    if (parts.length <= 2 && parts.every((part) => part === '.' || isFqdn(part))) continue
    badValue(report, [...path, i], name, 'not the name of a Gateway', 'Write name or namespace/name.')
  }
}

const labelKey = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$/
const labelValue = /^([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?$/

export function checkLabels(
  report: Report,
  path: FieldPath,
  labels: Readonly<Record<string, string>> | undefined,
): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    if (labelKey.test(key) && labelValue.test(value)) continue
    badValue(
      report,
      [...path, key],
      value,
      'not a valid label',
      'Use at most 63 letters, digits, -, _ and ., beginning and ending with a letter or digit.',
    )
  }
}
