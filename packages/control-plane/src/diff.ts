/** What `aeraki generate` prints for a folder, beside what is somewhere else. */
import { type Diagnostic, hasErrors, loadPath, type LoadedObject, type LoadResult, loadValue } from '@aeraki/api'
import { apiVersionOf, findResource, type KubernetesClient, pathOf } from '@aeraki/kubernetes'
import { compareObjects, type Difference } from './envoy-filter/compare.ts'
import { type GeneratedObject, ownerLabel } from './envoy-filter/object.ts'
import { generateFrom, type GenerationOptions } from './generate.ts'

export interface Comparison {
  readonly differences: readonly Difference[]
  /** Of both sides. */
  readonly diagnostics: readonly Diagnostic[]
  /** Something could not be read, so that its objects may be missing from the comparison. */
  readonly isIncomplete: boolean
}

/**
 * Against a file or folder. Objects that are ours, as `generate` prints them, are compared as they stand; anything else is
 * configuration, and what it generates is compared.
 * @throws AerakiError API_UNREADABLE where a path cannot be read
 */
export function diffPaths(path: string, against: string, options: GenerationOptions = {}): Comparison {
  const other = loadPath(against)
  const ours = other.objects.flatMap(generatedOf)
  const isPrinted = ours.length > 0 && ours.length === other.objects.length
  const there = isPrinted ? { objects: ours, diagnostics: other.diagnostics } : plain(generateFrom(other, options))
  return compare(path, there, hasErrors(other.diagnostics), options)
}

/**
 * Against the objects in a cluster that have our label.
 * @throws AerakiError API_UNREADABLE; KUBERNETES_REFUSED, KUBERNETES_UNREACHABLE, KUBERNETES_CONFIG
 */
export async function diffCluster(
  path: string,
  client: KubernetesClient,
  options: GenerationOptions = {},
): Promise<Comparison> {
  const found = [
    ...(await ownedObjects(client, 'EnvoyFilter', ['v1alpha3'])),
    ...(await ownedObjects(client, 'VirtualService', ['v1alpha3', 'v1beta1', 'v1'])),
  ]
  const diagnostics = found.flatMap((each) => each.diagnostics)
  const objects = found.flatMap((each) => each.objects.flatMap(generatedOf))
  return compare(path, { objects, diagnostics }, hasErrors(diagnostics), options)
}

interface Side {
  readonly objects: readonly GeneratedObject[]
  readonly diagnostics: readonly Diagnostic[]
}

function plain({ objects, diagnostics }: ReturnType<typeof generateFrom>): Side {
  return { objects: objects.map(({ object }) => object), diagnostics }
}

function compare(path: string, there: Side, isBroken: boolean, options: GenerationOptions): Comparison {
  const loaded = loadPath(path)
  const wanted = plain(generateFrom(loaded, options))
  return {
    differences: compareObjects(there.objects, wanted.objects),
    diagnostics: [...there.diagnostics, ...wanted.diagnostics],
    isIncomplete: isBroken || hasErrors(loaded.diagnostics),
  }
}

function generatedOf({ kind, metadata, spec }: LoadedObject): GeneratedObject[] {
  if (metadata.labels['manager'] !== ownerLabel.manager) return []
  const { name, namespace } = metadata
  const common = {
    apiVersion: 'networking.istio.io/v1alpha3',
    metadata: { name, namespace, labels: ownerLabel },
  } as const
  if (kind === 'EnvoyFilter') return [{ ...common, kind, spec }]
  if (kind === 'VirtualService') return [{ ...common, kind, spec }]
  return []
}

interface ObjectList {
  readonly items?: readonly object[]
}

/** None where the cluster does not have the kind. */
async function ownedObjects(
  client: KubernetesClient,
  kind: GeneratedObject['kind'],
  versions: readonly string[],
): Promise<LoadResult[]> {
  const resource = await findResource(client, { group: 'networking.istio.io', kind, versions })
  if (resource === undefined) return []
  const query = { labelSelector: `manager=${ownerLabel.manager}` }
  const { items = [] } = await client.request<ObjectList>({ path: pathOf(resource), query })
  const apiVersion = apiVersionOf(resource)
  return items.map((item) => loadValue({ ...item, apiVersion, kind }, client.server))
}
