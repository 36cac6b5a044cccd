/**
 * The part of Helm's template language that our chart is written in, so that its manifests can be had without Helm:
 *
 *   action = "{{" [ "- " ] what [ " -" ] "}}"        a dash takes the white space on its side away
 *   what   = path [ " | toJson" ] | "if " [ "not " ] path | "range " path | "end"
 *   path   = ( "." | "$." ) name { "." name }
 *
 * `$.` is the outermost context, `.` that of the innermost `range`. https://helm.sh/docs/chart_template_guide/
 */
import { AerakiError } from '@aeraki/api/errors'

type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly path: string; readonly json: boolean }
  | { readonly kind: 'if' | 'if not' | 'range'; readonly path: string; readonly body: readonly Node[] }

interface Context {
  readonly root: unknown
  readonly here: unknown
}

/** Throws `AerakiError` INSTALL_CHART where the text is more than this language, or a path leads nowhere. */
export function renderTemplate(text: string, context: unknown): string {
  const tokens = tokenize(text)
  const nodes = parse(tokens, undefined)
  return evaluate(nodes, { root: context, here: context })
}

type Token = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'action'; readonly text: string }

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  let trim = false
  const push = (piece: string, cutEnd: boolean): void => {
    const cut = trim ? piece.trimStart() : piece
    tokens.push({ kind: 'text', text: cutEnd ? cut.trimEnd() : cut })
  }
  for (const match of text.matchAll(/\{\{(-\s)?\s*(.*?)\s*(\s-)?\}\}/g)) {
    push(text.slice(at, match.index), match[1] !== undefined)
    tokens.push({ kind: 'action', text: match[2] ?? '' })
    trim = match[3] !== undefined
    at = match.index + match[0].length
  }
  push(text.slice(at), false)
  return tokens
}

/** Takes tokens up to the `end` of the block that is open, if one is. */
function parse(tokens: Token[], open: string | undefined): Node[] {
  const nodes: Node[] = []
  for (;;) {
    const token = tokens.shift()
    if (token === undefined) {
      if (open !== undefined) throw wrong(`{{ ${open} }} has no end`)
      return nodes
    }
    if (token.kind === 'text') {
      nodes.push(token)
      continue
    }
    if (token.text === 'end') {
      if (open === undefined) throw wrong('there is an {{ end }} too many')
      return nodes
    }
    const [, block, path = '', pipe] = /^(?:(if|if not|range) )?(\$?\.[\w.]*)( \| toJson)?$/.exec(token.text) ?? []
    if (path === '') throw wrong(`{{ ${token.text} }} is not in the part of Helm's language that is understood`)
    if (block === 'if' || block === 'if not' || block === 'range')
      nodes.push({ kind: block, path, body: parse(tokens, token.text) })
    else nodes.push({ kind: 'value', path, json: pipe !== undefined })
  }
}

function evaluate(nodes: readonly Node[], context: Context): string {
  return nodes.map((node) => evaluateOne(node, context)).join('')
}

function evaluateOne(node: Node, context: Context): string {
  if (node.kind === 'text') return node.text
  const value = lookUp(node.path, context)
  if (node.kind === 'value') return node.json ? JSON.stringify(value) : String(value)
  if (node.kind === 'if' || node.kind === 'if not') {
    return isTrue(value) === (node.kind === 'if') ? evaluate(node.body, context) : ''
  }
  if (!Array.isArray(value)) throw wrong(`${node.path} is no list`)
  return value.map((here: unknown) => evaluate(node.body, { root: context.root, here })).join('')
}

function lookUp(path: string, { root, here }: Context): unknown {
  let value = path.startsWith('$') ? root : here
  for (const name of path.replace(/^\$?\./, '').split('.')) {
    if (name === '') continue
    value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
    if (value === undefined) throw wrong(`there is no value ${path}`)
  }
  return value
}

/** As in Go: empty is false. */
function isTrue(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return Boolean(value)
  return Object.keys(value).length > 0
}

function wrong(message: string): AerakiError {
  return new AerakiError('INSTALL_CHART', `${message}; this is a mistake in the chart`)
}
