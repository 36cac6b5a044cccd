/** A bootstrap as a file: YAML or JSON, Envoy's message, with the place of every mistake. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { JsonValue } from '@bufbuild/protobuf'
import { AerakiError } from '@aeraki/api/errors'
import { leanBootstrap } from './bootstrap-message.ts'
import { bootstrapFromMessage, type Bootstrap } from './bootstrap.ts'

/**
 * Throws `AerakiError` PROXY_BOOTSTRAP_UNREADABLE or PROXY_BOOTSTRAP_INVALID; the message has one line for each mistake,
 * `FILE:LINE:COLUMN: field.path: what is wrong; what to do`.
 */
export function loadBootstrap(path: string): Bootstrap {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new AerakiError('PROXY_BOOTSTRAP_UNREADABLE', `${path}: ${reason}; give --bootstrap a file`, { cause })
  }
  return parseBootstrap(text, path)
}

/** @param file for the messages */
export function parseBootstrap(text: string, file: string): Bootstrap {
  return parseGoodJson(text) ?? parseDocument(text, file)
}

/** The parser that keeps places takes 4 MB: it is loaded for YAML, and where there is a mistake to be placed. */
function parseDocument(text: string, file: string): Bootstrap {
  const require = createRequire(import.meta.url)
  const { parseBootstrapDocument } = require('./bootstrap-document.ts') as typeof import('./bootstrap-document.ts')
  return parseBootstrapDocument(text, file)
}

/** Undefined: it is no JSON, or has any mistake. */
function parseGoodJson(text: string): Bootstrap | undefined {
  try {
    const value = JSON.parse(text) as JsonValue
    if (keysIn(text) !== keysOf(value)) return undefined
    const message = leanBootstrap(value)
    return message && bootstrapFromMessage(message)
  } catch {
    return undefined
  }
}

/** Keys in the text: `JSON.parse` keeps one of those that are there twice, without a word. */
function keysIn(text: string): number {
  let count = 0
  for (const [, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (colon !== undefined) count += 1
  return count
}

function keysOf(value: JsonValue): number {
  if (typeof value !== 'object' || value === null) return 0
  const values: readonly JsonValue[] = Object.values(value)
  const own = Array.isArray(value) ? 0 : values.length
  return values.reduce<number>((count, each) => count + keysOf(each), own)
}
