/** Versions are hashes of content: equal bytes have equal versions, on every server and across restarts. */
import { createHash } from 'node:crypto'

/** 96 bits in base64url, 16 characters. */
export function contentVersion(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url').slice(0, 16)
}

/** The version of a set of resources, whatever order they come in. */
export function setVersion(resources: Iterable<{ readonly name: string; readonly version: string }>): string {
  const lines: string[] = []
  for (const { name, version } of resources) lines.push(`${name}\0${version}\n`)
  const hash = createHash('sha256')
  for (const line of lines.sort()) hash.update(line)
  return hash.digest('base64url').slice(0, 16)
}
