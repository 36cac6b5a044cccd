/** Label selectors of the `matchLabels` kind. */

/** True where the labels have every pair of the selector. An empty selector selects everything. */
export function selects(
  selector: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  for (const [key, value] of Object.entries(selector ?? {})) if (labels?.[key] !== value) return false
  return true
}
