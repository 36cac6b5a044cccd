import type { AttributeDoc } from '../contract.ts'
import type { Body } from './body.ts'

export const attributeDocs: readonly AttributeDoc[] = [
  {
    name: 'interface',
    description:
      "The service's interface: attachment `interface`, else attachment `path`, else the path before the arguments",
    example: 'org.apache.dubbo.samples.basic.api.DemoService',
  },
  { name: 'method', description: 'The method; found without looking at the arguments', example: 'sayHello' },
  { name: 'version', description: "The service's version, where the consumer asks for one", example: '1.0.0' },
  { name: 'group', description: "The service's group, where the consumer asks for one", example: 'test' },
  {
    name: 'path',
    description: 'The path by which the provider finds the service; mostly the interface',
    example: 'demo/DemoService',
  },
  { name: '<attachment>', description: 'Any string attachment by its key', example: 'batchJob: true' },
]

/**
 * An attribute of a call. Attachments override what stands before the arguments, as they do in the provider, so only
 * `method` can be told without skipping the arguments.
 */
export function requestAttribute(body: Body, name: string): string | undefined {
  switch (name) {
    case 'method':
      return body.method()
    case 'interface':
      return body.attachment('interface') ?? body.attachment('path') ?? body.path()
    case 'path':
      return body.attachment('path') ?? body.path()
    case 'version':
      return body.attachment('version') ?? body.version()
    default:
      return body.attachment(name)
  }
}

/** All attributes of a call: the attachments under their own keys, and what `requestAttribute` makes of them. */
export function requestAttributes(body: Body): Map<string, string> {
  const all = body.attachments()
  for (const name of ['interface', 'method', 'path', 'version']) {
    const value = requestAttribute(body, name)
    if (value !== undefined) all.set(name, value)
  }
  return all
}
