/**
 * Writes the manifests to a cluster by server-side apply, in their order, as `kubectl apply --server-side` does. What another
 * manager (kubectl, Helm) has said otherwise is not taken from it.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/
 */
import { AerakiError } from '@aeraki/api/errors'
import {
  findResource,
  type KubernetesClient,
  pathOf,
  type Resource,
  statusOf,
  UnreachableError,
} from '@aeraki/kubernetes'
import type { Manifest } from './chart.ts'

export interface Applied {
  /** `Deployment istio-system/aeraki`. */
  readonly object: string
  /** Undefined: the cluster has it. Else what it said. */
  readonly problem: string | undefined
}

const fieldManager = 'aeraki-install'

/** Each object in turn; one that is refused does not hold up the others. Throws `AerakiError` KUBERNETES_UNREACHABLE. */
export async function* applyManifests(
  client: KubernetesClient,
  manifests: readonly Manifest[],
): AsyncGenerator<Applied, void> {
  const resources = new Map<string, Resource | undefined>()
  for (const manifest of manifests) {
    const { apiVersion, kind, metadata } = manifest as unknown as Identity
    const { namespace, name } = metadata
    const object = `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
    try {
      const id = `${apiVersion} ${kind}`
      if (!resources.has(id)) resources.set(id, await findResource(client, queryOf(apiVersion, kind)))
      const resource = resources.get(id)
      if (resource === undefined) throw new AerakiError('KUBERNETES_REFUSED', `the cluster does not serve ${id}`)
      await client.request({
        method: 'PATCH',
        path: pathOf(resource, namespace, name),
        query: { fieldManager },
        contentType: 'application/apply-patch+yaml',
        body: manifest,
      })
      yield { object, problem: undefined }
    } catch (error) {
      if (!(error instanceof AerakiError) || error instanceof UnreachableError) throw error
      yield { object, problem: [error.message, ...remedyOf(error, namespace)].join('\n  ') }
    }
  }
}

interface Identity {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

function queryOf(apiVersion: string, kind: string) {
  const slash = apiVersion.indexOf('/')
  return { group: apiVersion.slice(0, Math.max(slash, 0)), versions: [apiVersion.slice(slash + 1)], kind }
}

function remedyOf(error: AerakiError, namespace: string | undefined): string[] {
  switch (statusOf(error)) {
    case 404:
      return namespace === undefined
        ? []
        : [`Is there a namespace ${namespace}? "kubectl create namespace ${namespace}"`]
    case 409:
      return [
        'Another tool has installed it: change it by that tool, or take it over with',
        '"aeraki install --dry-run | kubectl apply --server-side --force-conflicts -f -".',
      ]
    case 403:
      return ['Installing needs the rights of a cluster administrator.']
    default:
      return []
  }
}
