/**
 * Splits the text of a file into the resources in it: YAML 1.2 with any number of documents, or JSON, which is a part of
 * YAML; a document that is a `List` (as `kubectl get -o yaml` prints) gives its items.
 */
import { Composer, type Document, LineCounter, Parser, type YAMLError } from 'yaml'
import { type Diagnostic, fileFinding } from '../diagnostic.ts'
import { DocumentLocator, DocumentTree, type FileText, type Locator } from './locator.ts'

export interface RawResource {
  readonly value: unknown
  readonly locator: Locator
  /** Text that breaks YAML's rules in a way that can be read all the same; the kind decides whether it may. */
  readonly oddities: readonly Diagnostic[]
}

/** Calls `onResource` for each resource, in order. Documents with syntax errors are reported and passed over. */
export function readDocuments(text: string, fileName: string, onResource: (raw: RawResource) => void): Diagnostic[] {
  const diagnostics: Diagnostic[] = []
  const lines = new LineCounter()
  const file: FileText = { file: fileName, text, lines }
  if (text.includes('\0')) {
    // Such as UTF-16, as some editors on Windows save.
    return [fileError(file, 0, 'API_YAML_SYNTAX', 'this is not text in UTF-8', 'Save the file as UTF-8.')]
  }
  const composer = new Composer({ logLevel: 'silent', merge: true })
  for (const document of composer.compose(new Parser(lines.addNewLine).parse(text), true, text.length)) {
    readDocument(document, file, diagnostics, onResource)
  }
  return diagnostics
}

function readDocument(
  document: Document.Parsed,
  file: FileText,
  diagnostics: Diagnostic[],
  onResource: (raw: RawResource) => void,
): void {
  const [fatal, odd] = partition(document.errors, isFatal)
  const describe = (error: YAMLError) => syntaxError(file, error, document.contents)
  if (fatal.length > 0) {
    // What follows an error of syntax is mostly its echo; keys that are there twice disturb nothing else.
    const first = fatal.findIndex((error) => error.code !== 'DUPLICATE_KEY')
    diagnostics.push(...(first === -1 ? fatal : fatal.slice(0, first + 1)).map(describe))
    return
  }
  const oddities = odd.map(describe)
  let value: unknown
  try {
    value = document.toJS()
  } catch (error) {
    const [start] = document.range
    diagnostics.push(fileError(file, start, 'API_YAML_SYNTAX', String(error), 'Check the anchors (&) and aliases (*).'))
    return
  }
  // Nothing between two `---`.
  if (value === null || value === undefined) return
  const tree = new DocumentTree(file, document)
  const problem = shapeProblem(value)
  if (problem !== undefined) {
    diagnostics.push(fileError(file, document.range[0], 'API_YAML_SYNTAX', problem, 'Write the value out, flatter.'))
    return
  }
  const items = itemsOfList(value)
  if (items === undefined) onResource({ value, locator: new DocumentLocator(tree, []), oddities })
  for (const [i, item] of (items ?? []).entries()) {
    onResource({ value: item, locator: new DocumentLocator(tree, ['items', i]), oddities })
  }
  tree.release()
}

/** No resource is nested deeper, and what walks one may recurse. */
const deepest = 200

/** Aliases can make a value that contains itself. Looks at each value once, however often aliases repeat it. */
function shapeProblem(root: unknown): string | undefined {
  const open = new Set<unknown>()
  const done = new Set<unknown>()
  function visit(value: unknown): string | undefined {
    if (typeof value !== 'object' || value === null || done.has(value)) return undefined
    if (open.has(value)) return 'an alias stands inside what it stands for'
    if (open.size === deepest) return `nested more than ${deepest} deep`
    open.add(value)
    for (const each of Object.values(value)) {
      const problem = visit(each)
      if (problem !== undefined) return problem
    }
    open.delete(value)
    done.add(value)
    return undefined
  }
  return visit(root)
}

function itemsOfList(value: unknown): readonly unknown[] | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('items' in value)) return undefined
  const { kind, items } = value
  return typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items) ? items : undefined
}

/** A key that begins with `@` has to be quoted; the seed talk has one that is not. */
function isFatal(error: YAMLError): boolean {
  return !(error.code === 'BAD_SCALAR_START' && error.message.includes('reserved character @'))
}

function syntaxError(file: FileText, error: YAMLError, contents: unknown): Diagnostic {
  const [first = error.message] = error.message.split(' at line ')
  const what = repeatedKey(file, error) ?? (first.startsWith('Maximum call stack') ? 'nested too deep' : first)
  const looksLikePatch = /^\s*(#.*\n\s*)*- applyTo\b/.test(file.text) && contents !== null
  const remedy = looksLikePatch
    ? 'This begins like a patch of an EnvoyFilter: put it under spec.configPatches of one, indented as a whole.'
    : (remedies[error.code] ?? 'Correct the YAML (or JSON) at this place.')
  return fileError(file, error.pos[0], 'API_YAML_SYNTAX', what, remedy)
}

function repeatedKey(file: FileText, error: YAMLError): string | undefined {
  if (error.code !== 'DUPLICATE_KEY') return undefined
  const [key] = /^[^\s:]+/.exec(file.text.slice(error.pos[0])) ?? []
  return key === undefined ? undefined : `${key} is written twice here`
}

const remedies: Partial<Record<YAMLError['code'], string>> = {
  DUPLICATE_KEY: 'Keep one of the two.',
  TAB_AS_INDENT: 'Indent with spaces.',
  BAD_SCALAR_START: 'Put the value in quotes.',
  BAD_INDENT: 'Align it with the lines it belongs to.',
  MISSING_CHAR: 'Add the missing character; in JSON, mostly a comma or a closing bracket.',
}

function fileError(file: FileText, offset: number, code: string, message: string, remedy: string): Diagnostic {
  const { line, col } = file.lines.linePos(offset)
  return fileFinding({ file: file.file, line, column: col }, { code, message, remedy })
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  const yes: T[] = []
  const no: T[] = []
  for (const item of items) (test(item) ? yes : no).push(item)
  return [yes, no]
}
