/** Paths to a field inside an object: `spec.http[0].route[1].weight`, `metadata.labels["app.kubernetes.io/name"]`. */
export type FieldPath = readonly (string | number)[]

const plainKey = /^[A-Za-z_@][\w@-]*$/

export function formatPath(path: FieldPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (!plainKey.test(step)) text += `[${JSON.stringify(step)}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}

/** The inverse of formatPath. What does not follow the grammar is taken as a key. */
export function parsePath(text: string): FieldPath {
  const path: (string | number)[] = []
  const step = /\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.[\]]+)/g
  for (const [, index, quoted, key] of text.matchAll(step)) {
    if (index !== undefined) path.push(Number(index))
    else if (quoted !== undefined) path.push(String(JSON.parse(quoted)))
    else if (key !== undefined) path.push(key)
  }
  return path
}

export function startsWith(path: FieldPath, prefix: FieldPath): boolean {
  return prefix.length <= path.length && prefix.every((step, i) => path[i] === step)
}
