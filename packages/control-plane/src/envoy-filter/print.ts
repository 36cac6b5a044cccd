/** Generated objects as text that `kubectl apply -f -` takes, the same text for the same objects. */
import { stringify } from 'yaml'
import type { GeneratedObject } from './object.ts'

export type PrintFormat = 'yaml' | 'json'

/** `yaml`: one document for each object; `json`: one `List`. Ends with a line feed, unless it is empty. */
export function printObjects(objects: readonly GeneratedObject[], format: PrintFormat): string {
  if (format === 'json') {
    return `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }, null, 2)}\n`
  }
  return objects.map((object) => printYaml(object)).join('---\n')
}

export function printYaml(object: GeneratedObject): string {
  return stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })
}
