/**
 * Parameters that a provider says of itself, in its URL or its instance's metadata. Those that begin with `aeraki_meta_`
 * are for the mesh, as dubbo2istio has them; nearly all others become labels of the endpoint, so that a DestinationRule's
 * subset can select by them.
 */
import { parseLocality, formatLocality } from '@aeraki/api'
import { sanitizeLabels } from '../labels.ts'

export interface MeshParameters {
  /** `aeraki_meta_app_namespace`: of the ServiceEntry. */
  readonly namespace: string | undefined
  /** `aeraki_meta_app_service_account` */
  readonly serviceAccount: string | undefined
  /** `aeraki_meta_workload_selector`: value of the `app` label of the workloads. */
  readonly workloadSelector: string | undefined
  /** `aeraki_meta_locality`: `region/zone/sub-zone`. */
  readonly locality: string | undefined
  /** All others, with `aeraki_meta_app_version` as `version`. */
  readonly labels: Readonly<Record<string, string>>
}

/** Long, or different at each start of the same provider: no rule is written about them. */
const noise = new Set(['methods', 'pid', 'timestamp', 'metadata-service-port', 'service-name-mapping'])

export function readParameters(parameters: ReadonlyMap<string, string>): MeshParameters {
  const meta = (name: string): string | undefined => parameters.get(`aeraki_meta_${name}`)?.trim() || undefined
  const labels = [...parameters].filter(
    ([key]) => !key.startsWith('aeraki_meta_') && !key.startsWith('dubbo.') && !noise.has(key),
  )
  const version = meta('app_version')
  const locality = meta('locality')
  return {
    namespace: meta('app_namespace'),
    serviceAccount: meta('app_service_account'),
    workloadSelector: meta('workload_selector'),
    locality: locality === undefined ? undefined : formatLocality(parseLocality(locality.replaceAll(/%2F/gi, '/'))),
    labels: sanitizeLabels(
      version === undefined ? labels : [...labels.filter(([key]) => key !== 'version'), ['version', version]],
    ),
  }
}
