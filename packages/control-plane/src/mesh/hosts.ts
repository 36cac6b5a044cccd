/** Host names in rules. */

/** Everything that a rule may write to mean this host, nearest first: itself, `*.b.c`, `*.c`, `*`. */
export function patternsFor(host: string): string[] {
  const patterns = [host]
  for (let at = host.indexOf('.'); at !== -1; at = host.indexOf('.', at + 1)) patterns.push(`*${host.slice(at)}`)
  if (host !== '*') patterns.push('*')
  return patterns
}
