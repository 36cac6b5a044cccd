/** Narrowing of plain values. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The records of a list with their indices; nothing of what is no list. */
export function recordsIn(value: unknown): [number, Record<string, unknown>][] {
  if (!Array.isArray(value)) return []
  const found: [number, Record<string, unknown>][] = []
  for (const [i, item] of value.entries()) if (isRecord(item)) found.push([i, item])
  return found
}
