/** How the tests of the rules write an object and read its findings. */
import { stringify } from 'yaml'
import { type Kind, definitionOf, loadResources } from '../src/index.ts'

/** `error API_CODE field` for each finding about an object of that kind with that spec. */
export function findings(kind: Kind, spec: unknown, metadata: Record<string, unknown> = {}): string[] {
  const { group, versions, body } = definitionOf(kind)
  const apiVersion = group === '' ? versions[0] : `${group}/${versions[0]}`
  const named = { apiVersion, kind, metadata: { name: 'a', ...metadata } }
  const text = stringify(body === 'spec' ? { ...named, spec } : { ...named, ...(spec as object) })
  return loadResources(text, 'x.yaml').diagnostics.map(({ severity, code, field }) => `${severity} ${code} ${field}`)
}
