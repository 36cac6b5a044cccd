import type { AttributeDoc } from '../contract.ts'

export const attributeDocs: readonly AttributeDoc[] = [
  { name: 'method', description: 'The method that is called', example: 'greet' },
  { name: '<header>', description: 'Any header by its key', example: 'user: jason' },
]

/** Method and headers out of a head; keys as they were written. */
export function parseHead(head: string, maxAttributes: number): Map<string, string> {
  const [method = '', ...headers] = head.split('\n')
  const attributes = new Map<string, string>()
  for (const line of headers.slice(0, maxAttributes)) {
    const separator = line.indexOf('=')
    if (separator > 0) attributes.set(line.slice(0, separator), line.slice(separator + 1))
  }
  if (method !== '') attributes.set('method', method)
  return attributes
}
