/** What would change in one set of generated objects to make it another one. */
import { diff } from 'node:util'
import { stringify } from 'yaml'
import { type GeneratedObject, sortKeyOf } from './object.ts'

export interface Difference {
  /** Of the object, as `kubectl` has it: `EnvoyFilter istio-system/name`. */
  readonly object: string
  readonly change: 'added' | 'removed' | 'changed'
  /** In the unified format, from what is there to what would be. */
  readonly text: string
}

/** In the order of kind, namespace and name. What an object does not say is no difference: an empty list, an order of keys. */
export function compareObjects(there: readonly GeneratedObject[], wanted: readonly GeneratedObject[]): Difference[] {
  const [before, after] = [textsOf(there), textsOf(wanted)]
  const places = new Set([...before.keys(), ...after.keys()])
  return [...places].toSorted().flatMap((place): Difference[] => {
    const [old, young] = [before.get(place), after.get(place)]
    if (old === young) return []
    const change = old === undefined ? 'added' : young === undefined ? 'removed' : 'changed'
    const [kind = '', namespace = '', name = ''] = place.split('/')
    const object = `${kind} ${namespace}/${name}`
    return [{ object, change, text: unified(object, lines(old), lines(young)) }]
  })
}

function textsOf(objects: readonly GeneratedObject[]): Map<string, string> {
  return new Map(
    objects.map((object) => {
      const { apiVersion, kind, metadata, spec } = object
      const { name, namespace, labels } = metadata
      const shown = { apiVersion, kind, metadata: { labels: { manager: labels['manager'] }, name, namespace }, spec }
      return [sortKeyOf(object), stringify(shown, { lineWidth: 0, aliasDuplicateObjects: false, sortMapEntries: true })]
    }),
  )
}

function lines(text: string | undefined): string[] {
  return text === undefined ? [] : text.trimEnd().split('\n')
}

const contextLines = 3

interface Line {
  readonly mark: ' ' | '-' | '+'
  readonly text: string
}

function unified(name: string, before: readonly string[], after: readonly string[]): string {
  const all: Line[] = diff(before, after).map(([operation, text]) => ({
    mark: operation === 0 ? ' ' : operation === 1 ? '-' : '+',
    text,
  }))
  const output = [`--- ${name}`, `+++ ${name}`]
  for (const [from, to] of hunks(all)) {
    const count = (lists: readonly Line[], not: Line['mark']): number => lists.filter(({ mark }) => mark !== not).length
    const hunk = all.slice(from, to)
    const passed = all.slice(0, from)
    const range = (not: Line['mark']): string => {
      const length = count(hunk, not)
      return `${count(passed, not) + (length === 0 ? 0 : 1)},${length}`
    }
    output.push(`@@ -${range('+')} +${range('-')} @@`, ...hunk.map(({ mark, text }) => `${mark}${text}`))
  }
  return `${output.join('\n')}\n`
}

/** Ranges of lines that have changes, each with lines around it; those that touch are one. */
function hunks(all: readonly Line[]): [number, number][] {
  const ranges: [number, number][] = []
  for (const [at, { mark }] of all.entries()) {
    if (mark === ' ') continue
    const from = Math.max(0, at - contextLines)
    const to = Math.min(all.length, at + contextLines + 1)
    const last = ranges.at(-1)
    if (last !== undefined && from <= last[1]) last[1] = to
    else ranges.push([from, to])
  }
  return ranges
}
