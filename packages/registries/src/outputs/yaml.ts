/**
 * YAML of plain values, in the order of their keys: fast, and always the same bytes. Maps and lists are in block style,
 * empty ones in flow style; texts that YAML could take for something else are quoted as JSON, which is YAML, too.
 */

export type Plain = string | number | boolean | readonly Plain[] | { readonly [key: string]: Plain }

export function formatYaml(value: object): string {
  const lines: string[] = []
  print(value as Plain, '', '', lines)
  return `${lines.join('\n')}\n`
}

/** @param lead what stands before the first line of the value */
function print(value: Plain, lead: string, indent: string, lines: string[]): void {
  if (typeof value !== 'object') {
    lines.push(`${lead}${scalar(value)}`)
    return
  }
  const list = Array.isArray(value)
  const entries: readonly (readonly [string, Plain])[] = list
    ? value.map((item: Plain) => ['', item] as const)
    : Object.entries(value)
  if (entries.length === 0) {
    lines.push(`${lead}${list ? '[]' : '{}'}`)
    return
  }
  let start = lead
  if (start.endsWith(': ')) {
    lines.push(start.trimEnd())
    start = indent
  }
  for (const [key, item] of entries) {
    if (list) print(item, `${start}- `, `${indent}  `, lines)
    else print(item, `${start}${scalar(key)}: `, `${indent}  `, lines)
    start = indent
  }
}

const plainText = /^[A-Za-z][A-Za-z0-9_./-]*$/
const special = /^(true|false|yes|no|on|off|null|y|n)$/i

function scalar(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value)
  return plainText.test(value) && !special.test(value) ? value : JSON.stringify(value)
}
