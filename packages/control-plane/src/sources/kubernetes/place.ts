/** Where an object of the API server stands, for messages. */
import type { Position } from '@aeraki/api'
import { type KubernetesObject, objectKey } from '@aeraki/kubernetes'

/** `kubernetes:shop/orders@1234`: namespace, name and resourceVersion. */
export function placeOf(object: KubernetesObject): Position {
  const version = object.metadata.resourceVersion
  const file = `kubernetes:${objectKey(object)}${version === undefined ? '' : `@${version}`}`
  return { file, line: 0, column: 0 }
}
