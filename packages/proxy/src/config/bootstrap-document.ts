/** A bootstrap's text as YAML, of which JSON is a part: with the place of every mistake. */
import type { JsonValue } from '@bufbuild/protobuf'
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml'
import { AerakiError } from '@aeraki/api/errors'
import {
  BootstrapSchema,
  type Bootstrap as BootstrapMessage,
} from '@aeraki/xds/gen-lean/envoy/config/bootstrap/v3/bootstrap_pb.ts'
import { bootstrapFromMessage, type Bootstrap } from './bootstrap.ts'
import { leanBootstrap } from './bootstrap-message.ts'
import { checkJson, type JsonCheck, type JsonMistake, type Path } from './json-check.ts'
import { ResourceError } from './refusal.ts'
import { fromFullJson, fullType, loadFullRegistry } from './registry.ts'

/** Throws `AerakiError` PROXY_BOOTSTRAP_INVALID. */
export function parseBootstrapDocument(text: string, file: string): Bootstrap {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${line}:${col}`
  }
  const [first] = document.errors
  if (first !== undefined) throw invalid([`${place(first.pos[0])}: ${first.message}`])

  const say = ({ path, problem }: JsonMistake): string =>
    `${place(locate(document, path))}: ${formatPath(path)}: ${problem}`
  const value = document.toJS() as JsonValue
  const message = leanBootstrap(value) ?? fullBootstrap(value, file, say)
  return bootstrapFromMessage(message, (error, prefix) => {
    if (!(error instanceof ResourceError)) return error
    const where = place(locate(document, [...prefix, ...parsePath(error.path)]))
    return new AerakiError(error.code, `${where}: ${error.message}`, { cause: error })
  })
}

/** By the types with all fields. `say`: a line for a mistake. */
function fullBootstrap(value: JsonValue, file: string, say: (mistake: JsonMistake) => string): BootstrapMessage {
  const full = loadFullRegistry()
  const check: JsonCheck = { registry: full, isForeign: () => true, mistakes: [] }
  const json = checkJson(value, fullType(BootstrapSchema, full), [], check)
  if (check.mistakes.length > 0) throw invalid(check.mistakes.map(say))
  try {
    return fromFullJson(BootstrapSchema, json, full)
  } catch (cause) {
    throw invalid([`${file}: ${cause instanceof Error ? cause.message : String(cause)}`])
  }
}

function invalid(lines: readonly string[]): AerakiError {
  return new AerakiError('PROXY_BOOTSTRAP_INVALID', lines.join('\n'))
}

/** Offset of the last step of the path that the document has. Inside a TypedStruct, its `value` is no step. */
function locate(document: Document, path: Path): number {
  let node: unknown = document.contents
  let offset = document.contents?.range?.[0] ?? 0
  for (const step of path) {
    const next = child(node, step) ?? child(child(node, 'value')?.node, step)
    if (next === undefined) break
    node = next.node
    offset = next.offset ?? offset
  }
  return offset
}

function child(
  node: unknown,
  step: string | number,
): { readonly node: unknown; readonly offset: number | undefined } | undefined {
  if (isSeq(node) && typeof step === 'number') {
    const item: unknown = node.items[step]
    return item === undefined ? undefined : { node: item, offset: rangeOf(item) }
  }
  if (!isMap(node)) return undefined
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? String(key.value) : String(key)
    if (plain(name) === plain(String(step))) return { node: value, offset: rangeOf(key) }
  }
  return undefined
}

function rangeOf(node: unknown): number | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) ? node.range?.[0] : undefined
}

function plain(name: string): string {
  return name.replaceAll('_', '').toLowerCase()
}

function parsePath(path: string): Path {
  return [...path.matchAll(/\["([^"]*)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(([, quoted, index, name]) =>
    index === undefined ? (quoted ?? name ?? '') : Number(index),
  )
}

function formatPath(path: Path): string {
  const text = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')
  return text === '' ? 'the file' : text.replace(/^\./, '')
}
