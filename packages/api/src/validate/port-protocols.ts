/** Ports whose protocol is one slip away from a known one: they would be served as plain TCP, or refused, without a word. */
import type { Diagnostic } from '../diagnostic.ts'
import { misspelledProtocol } from '../names/protocol.ts'
import { isKind, type LoadedObject } from '../object.ts'
import { warning } from './set-finding.ts'

export function checkPortProtocols(objects: readonly LoadedObject[], diagnostics: Diagnostic[]): void {
  const declared = new Set<string>()
  for (const object of objects) {
    if (isKind(object, 'ApplicationProtocol')) declared.add(object.spec.protocol.toLowerCase())
  }
  for (const object of objects) {
    if (!isKind(object, 'ServiceEntry')) continue
    for (const [i, port] of (object.spec.ports ?? []).entries()) {
      const slip = misspelledProtocol(port)
      if (slip === undefined || declared.has(slip.written)) continue
      diagnostics.push(
        warning(object, {
          code: 'API_SIMILAR_PROTOCOL',
          path: ['spec', 'ports', i, slip.field],
          value: port[slip.field],
          message: `no protocol is known as ${slip.written}; did you mean ${slip.meant}?`,
          remedy: `Write ${slip.meant}, or declare ${slip.written} with an ApplicationProtocol, or call the port otherwise.`,
        }),
      )
    }
  }
}
