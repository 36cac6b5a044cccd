/** "Did you mean": the candidate nearest to what was written, if any is near. */
const never = Number.POSITIVE_INFINITY

/** Undefined where nothing is within a third of the word's length, at least 2 edits, of it. Case counts for little. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const limit = Math.max(2, Math.floor(word.length / 3))
  let best: string | undefined
  let bestDistance = limit + 1
  for (const candidate of candidates) {
    const sameBut = word.toLowerCase() === candidate.toLowerCase() ? 0.5 : never
    const distance = Math.min(sameBut, editDistance(word.toLowerCase(), candidate.toLowerCase(), bestDistance))
    if (distance < bestDistance && distance < Math.max(word.length, candidate.length)) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Optimal string alignment: insert, delete, replace, swap neighbours. Gives up above the limit. */
export function editDistance(a: string, b: string, limit = never): number {
  if (Math.abs(a.length - b.length) > limit) return never
  let twoAgo: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = at(previous, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let distance = Math.min(replace, at(previous, j) + 1, at(current, j - 1) + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, at(twoAgo, j - 2) + 1)
      }
      current.push(distance)
    }
    twoAgo = previous
    previous = current
  }
  return at(previous, b.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? never
}
