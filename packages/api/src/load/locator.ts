/** Finds the place of a field in the text it was read from. */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Node,
} from 'yaml'
import type { Position } from '../diagnostic.ts'
import { type FieldPath, startsWith } from '../field-path.ts'

/** Whether a finding is about a field's name or about what it holds. */
export type Part = 'key' | 'value'

export interface Locator {
  readonly source: Position
  locate(path: FieldPath, part: Part): Position
  /** The same text, with some fields read as if they stood elsewhere. */
  withMoves(moves: readonly Move[]): Locator
}

/** A leniency or conversion took what is written at `written` as if it were at `read`. */
export interface Move {
  readonly read: FieldPath
  readonly written: FieldPath
}

/** For objects that came from no text: every field is at the origin. */
export function originLocator(origin: string): Locator {
  const source: Position = { file: origin, line: 0, column: 0 }
  const locator: Locator = { source, locate: () => source, withMoves: () => locator }
  return locator
}

export interface FileText {
  readonly file: string
  readonly text: string
  readonly lines: LineCounter
}

/**
 * One YAML document of a file, or an item of a List in it. The tree is not kept, as those of ten thousand objects would
 * weigh too much: it is parsed again when somebody asks, from the document's own piece of the text.
 */
export class DocumentLocator implements Locator {
  readonly source: Position
  readonly #file: FileText
  readonly #start: number
  readonly #end: number
  readonly #base: FieldPath
  readonly #moves: readonly Move[]
  #tree: WeakRef<Document> | undefined

  constructor(file: FileText, start: number, end: number, base: FieldPath, moves: readonly Move[], tree?: Document) {
    this.#file = file
    this.#start = start
    this.#end = end
    this.#base = base
    this.#moves = moves
    this.#tree = tree === undefined ? undefined : new WeakRef(tree)
    this.source = this.locate([], 'value')
  }

  withMoves(moves: readonly Move[]): Locator {
    if (moves.length === 0) return this
    const tree = this.#tree?.deref()
    return new DocumentLocator(this.#file, this.#start, this.#end, this.#base, [...moves, ...this.#moves], tree)
  }

  locate(path: FieldPath, part: Part): Position {
    const { tree, shift } = this.#parse()
    let written = path
    // The latest move stands first: each leads one step back towards the text.
    for (const move of this.#moves) {
      if (startsWith(written, move.read)) written = [...move.written, ...written.slice(move.read.length)]
    }
    const offset = offsetOf(tree, [...this.#base, ...written], part)
    return this.#positionAt(offset === undefined ? this.#start : offset + shift)
  }

  #parse(): { tree: Document; shift: number } {
    const kept = this.#tree?.deref()
    if (kept !== undefined) return { tree: kept, shift: shiftOf.get(kept) ?? 0 }
    const tree = parseDocument(this.#file.text.slice(this.#start, this.#end), { logLevel: 'silent', merge: true })
    shiftOf.set(tree, this.#start)
    this.#tree = new WeakRef(tree)
    return { tree, shift: this.#start }
  }

  #positionAt(offset: number): Position {
    const { line, col } = this.#file.lines.linePos(offset)
    return { file: this.#file.file, line, column: col }
  }
}

/** Offset of a re-parsed tree's first character in the file. */
const shiftOf = new WeakMap<Document, number>()

/** Offset of the deepest node on the path that exists. */
function offsetOf(tree: Document, path: FieldPath, part: Part): number | undefined {
  let node: Node | null = tree.contents
  let offset = node?.range?.[0]
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(tree) ?? null
    const found = child(node, step)
    if (found === undefined) return offset
    const last = depth === path.length - 1
    // An absent value (`match:`) has no text of its own worth pointing to.
    const useKey = found.key !== undefined && ((last && part === 'key') || isEmpty(found.value))
    offset = (useKey ? found.key : found.value?.range?.[0]) ?? found.key ?? offset
    node = found.value
  }
  return offset
}

function child(node: Node | null, step: string | number): { key: number | undefined; value: Node | null } | undefined {
  if (isSeq(node) && typeof step === 'number') {
    const item = node.items[step]
    return isNode(item) ? { key: undefined, value: item } : undefined
  }
  if (!isMap(node)) return undefined
  for (const pair of node.items) {
    if (!isPair(pair) || !isScalar(pair.key) || String(pair.key.value) !== String(step)) continue
    return { key: pair.key.range?.[0], value: isNode(pair.value) ? pair.value : null }
  }
  return undefined
}

function isEmpty(node: Node | null): boolean {
  return node === null || (isScalar(node) && node.value === null && node.source === '')
}
