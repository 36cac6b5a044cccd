/** What every registry's services become: the one model between connectors and outputs. All of it is immutable. */

/** A port of a service, by which its consumers call it. */
export interface ServicePort {
  readonly number: number
  /** As Istio and Aeraki read it, such as `tcp-metaprotocol-dubbo`. Unique in the service. */
  readonly name: string
  /** Istio's word for the layer below, such as `TCP`. */
  readonly protocol: string
}

/** One process that serves. */
export interface Instance {
  /** An IP address, v6 without brackets. */
  readonly address: string
  /** By name of the service's port: the instance's own. */
  readonly ports: Readonly<Record<string, number>>
  /** At least 1, as Istio's endpoint weight. Undefined where all instances of the service have the same. */
  readonly weight: number | undefined
  /** `region/zone/sub-zone`, the right parts optional; empty where unknown. */
  readonly locality: string
  /** Valid Kubernetes labels. */
  readonly labels: Readonly<Record<string, string>>
  /** Mutual TLS needs it; empty: plain text. */
  readonly serviceAccount: string
}

/** One host, merged from all registries that have it, or one registry's slice of it. */
export interface ServiceModel {
  /** Names of the registries that it comes from, sorted. */
  readonly registries: readonly string[]
  /** Lower case. Unique. */
  readonly host: string
  /** Of its ServiceEntry, where the usual one would be another host's, too. */
  readonly entryName?: string
  readonly namespace: string
  /** The interface or application as its registry spells it. */
  readonly interface: string
  /** Value of the `app` label of the workloads behind it, where a provider said so. */
  readonly workloadSelector: string | undefined
  /** By number. */
  readonly ports: readonly ServicePort[]
  /** By address and ports. */
  readonly instances: readonly Instance[]
}
