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
 * The tree of one document of a file. It is let go after loading, as the trees of ten thousand objects would weigh too
 * much, and parsed again from the document's own piece of the text when somebody asks.
 */
export class DocumentTree {
  readonly file: FileText
  readonly #start: number
  readonly #end: number
  #loading: Document | undefined
  /** Shared by all items of a List, whose text may be long. */
  #again: WeakRef<Document> | undefined

  constructor(file: FileText, document: Document.Parsed) {
    const [start, , end] = document.range
    this.file = file
    this.#start = start
    this.#end = end
    this.#loading = document
  }

  release(): void {
    this.#loading = undefined
  }

  position(path: FieldPath, part: Part): Position {
    const { tree, shift } = this.#parse()
    const offset = offsetOf(tree, path, part)
    const { line, col } = this.file.lines.linePos(offset === undefined ? this.#start : offset + shift)
    return { file: this.file.file, line, column: col }
  }

  #parse(): { tree: Document; shift: number } {
    if (this.#loading !== undefined) return { tree: this.#loading, shift: 0 }
    const kept = this.#again?.deref()
    if (kept !== undefined) return { tree: kept, shift: this.#start }
    const tree = parseDocument(this.file.text.slice(this.#start, this.#end), { logLevel: 'silent', merge: true })
    this.#again = new WeakRef(tree)
    return { tree, shift: this.#start }
  }
}

/** A document, or an item of a List in it. */
export class DocumentLocator implements Locator {
  readonly source: Position
  readonly #tree: DocumentTree
  readonly #base: FieldPath
  readonly #moves: readonly Move[]

  constructor(tree: DocumentTree, base: FieldPath, moves: readonly Move[] = [], source?: Position) {
    this.#tree = tree
    this.#base = base
    this.#moves = moves
    this.source = source ?? tree.position(base, 'value')
  }

  withMoves(moves: readonly Move[]): Locator {
    if (moves.length === 0) return this
    return new DocumentLocator(this.#tree, this.#base, [...moves, ...this.#moves], this.source)
  }

  locate(path: FieldPath, part: Part): Position {
    let written = path
    // The latest move stands first: each leads one step back towards the text.
    for (const move of this.#moves) {
      if (startsWith(written, move.read)) written = [...move.written, ...written.slice(move.read.length)]
    }
    return this.#tree.position([...this.#base, ...written], part)
  }
}

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
