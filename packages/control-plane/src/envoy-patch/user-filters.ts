/** The EnvoyFilters of the configuration, each read once when it comes. */
import { isKind, keyOf } from '@aeraki/api'
import { originOf, type Report } from '../mesh/findings.ts'
import type { ObjectChange } from '../mesh/mesh.ts'
import { parseFilter } from './parse.ts'
import type { OnProblem, Patch, PatchFile } from './patch.ts'
import { type PatchedProxy, patchesFor, type PatchSet } from './patch-set.ts'

export interface UserFilters {
  /** The patches that came, went or changed. */
  apply(changes: readonly ObjectChange[]): readonly Patch[]
  patchesFor(proxy: PatchedProxy): PatchSet
  /** Another one when `patchesFor` may give another answer. */
  readonly revision: number
  /** What is to be said of the objects, and of patches that failed. */
  reports(): Report[]
  readonly onProblem: OnProblem
}

export function createUserFilters(rootNamespace: string): UserFilters {
  const files = new Map<string, PatchFile>()
  const findings = new Map<string, readonly Report[]>()
  const failed = new Map<Patch, string>()
  let revision = 0

  function forget(id: string): readonly Patch[] {
    const gone = files.get(id)?.patches ?? []
    for (const patch of gone) failed.delete(patch)
    files.delete(id)
    findings.delete(id)
    return gone
  }

  return {
    apply(changes) {
      const touched: Patch[] = []
      for (const { kind, object } of changes) {
        if (!isKind(object, 'EnvoyFilter') || kind === 'moved') continue
        const id = keyOf(object)
        touched.push(...forget(id))
        if (kind === 'remove') continue
        const reports: Report[] = []
        const file = parseFilter(object, (finding) => reports.push({ about: originOf(object), finding }))
        files.set(id, file)
        findings.set(id, reports)
        touched.push(...file.patches)
      }
      if (touched.length > 0) revision += 1
      return touched
    },
    patchesFor: (proxy) => patchesFor(proxy, [...files.values()], rootNamespace),
    get revision() {
      return revision
    },
    reports: () => [
      ...[...findings.values()].flat(),
      ...[...failed].map(([{ origin }, problem]): Report => ({
        about: origin.about,
        finding: {
          severity: 'error',
          code: 'ENVOY_PATCH_INVALID',
          field: `${origin.field}.patch.value`,
          message: `${problem}; the patch is left out`,
          remedy: 'correct the patch, or what it matches',
        },
      })),
    ],
    onProblem: (patch, problem) => failed.set(patch, problem),
  }
}
