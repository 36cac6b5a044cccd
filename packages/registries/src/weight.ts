/** Weights, of which 100 is the usual one. */

/**
 * Of what a registry writes, a number or its text, where `usual` is what it takes for usual. Not positive: 0, which means
 * no traffic. What is no number is the usual weight.
 */
export function weightOf(value: unknown, usual: number): number {
  const number =
    typeof value === 'string' && value.trim() !== '' ? Number(value) : typeof value === 'number' ? value : usual
  if (!Number.isFinite(number)) return 100
  if (number <= 0) return 0
  return Math.min(1_000_000, Math.max(1, Math.round((number / usual) * 100)))
}
