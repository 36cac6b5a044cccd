/** What a resource says it is. */
import { isRecord } from '../guards.ts'
import { type KindDefinition, kindIn, kindsOfGroup, splitApiVersion } from '../kinds.ts'
import { nearest } from '../names/nearest.ts'
import type { Severity } from '../diagnostic.ts'
import { earlyGroup, isEarlyVirtualService } from './early-form.ts'
import type { Finding, Identity } from './report.ts'

export interface IdentityResult {
  readonly identity: Identity
  /** Undefined also for the early form, which is not a kind of its own. */
  readonly definition: KindDefinition | undefined
  readonly problem: (Finding & { readonly severity: Severity }) | undefined
}

export function readIdentity(value: unknown): IdentityResult {
  const nobody: Identity = { kind: undefined, namespace: undefined, name: undefined }
  if (!isRecord(value)) return problem(nobody, 'error', notAResource(value))
  const { apiVersion, kind } = value
  const metadata = isRecord(value['metadata']) ? value['metadata'] : {}
  const identity: Identity = {
    kind: typeof kind === 'string' ? kind : undefined,
    namespace: textOf(metadata['namespace']) ?? (value['metadata'] === undefined ? undefined : 'default'),
    name: textOf(metadata['name']),
  }
  for (const key of ['apiVersion', 'kind']) {
    const found = value[key]
    if (typeof found === 'string' && found !== '') continue
    return problem(identity, 'error', {
      code: 'API_NOT_A_RESOURCE',
      path: [key],
      message: `a resource needs ${key}`,
      value: found,
      remedy:
        'Begin with apiVersion and kind, such as apiVersion: metaprotocol.aeraki.io/v1alpha1 and kind: MetaRouter.',
    })
  }
  return identify(String(apiVersion), String(kind), identity, value)
}

function identify(
  apiVersion: string,
  kind: string,
  identity: Identity,
  value: Record<string, unknown>,
): IdentityResult {
  if (isEarlyVirtualService(value)) return { identity, definition: undefined, problem: undefined }
  const { group, version } = splitApiVersion(apiVersion)
  const definition = kindIn(group, kind)
  if (definition === undefined) return unknownKind(apiVersion, group, kind, identity)
  const clusterScoped = definition.scope === 'Cluster' ? { ...identity, namespace: '' } : identity
  if (definition.versions.includes(version)) return { identity: clusterScoped, definition, problem: undefined }
  const served = definition.versions.map((each) => (group === '' ? each : `${group}/${each}`)).join(', ')
  return problem(identity, 'error', {
    code: 'API_UNKNOWN_VERSION',
    path: ['apiVersion'],
    message: `${kind} has no such version`,
    value: apiVersion,
    remedy: `Use ${served}.`,
  })
}

function unknownKind(apiVersion: string, group: string, kind: string, identity: Identity): IdentityResult {
  const known = group === earlyGroup ? ['VirtualService'] : kindsOfGroup(group)
  const meant = group === '' || known === undefined ? undefined : nearest(kind, known)
  if (meant !== undefined) {
    return problem(identity, 'error', {
      code: 'API_UNKNOWN_KIND',
      path: ['kind'],
      message: `${group} has no such kind; did you mean ${meant}?`,
      value: kind,
      remedy: `Use one of ${known?.join(', ')}.`,
    })
  }
  return problem(identity, 'warning', {
    code: 'API_IGNORED_KIND',
    path: ['kind'],
    message: `${apiVersion} ${kind} is none of the kinds that Aeraki reads; it is ignored`,
    value: kind,
    remedy:
      known === undefined || group === ''
        ? 'Nothing, or keep it in another folder.'
        : `Aeraki reads ${known.join(', ')}.`,
  })
}

function notAResource(value: unknown): Finding {
  const first: unknown = Array.isArray(value) ? value[0] : undefined
  const patch = isRecord(first) && 'applyTo' in first
  return {
    code: 'API_NOT_A_RESOURCE',
    path: [],
    message: patch
      ? 'a list of patches is not a resource'
      : 'a resource is a map with apiVersion, kind, metadata and spec',
    remedy: patch
      ? 'Put the patches under spec.configPatches of an EnvoyFilter.'
      : 'Write one resource per document and separate them with ---.',
  }
}

function problem(identity: Identity, severity: Severity, finding: Finding): IdentityResult {
  return { identity, definition: undefined, problem: { severity, ...finding } }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
