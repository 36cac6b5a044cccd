/**
 * What a stock Envoy does with a protocol. An `EnvoyProtocol` is one stateless object in the file `envoy.ts` of the
 * protocol's folder: from a port of a service, with everything that rules say of it, to network filters.
 *
 * The control plane knows what is the same for every protocol: which listeners and filter chains a port has, how an
 * EnvoyFilter is written, which rule holds for whom, how clusters are called. It knows no protocol: what only one of them
 * has (a filter, an annotation, a policy kind) stands in that one's folder.
 *
 * A codec (`../contract.ts`) and an Envoy side are independent of each other: a folder has either or both.
 */
import type { DescMessage, JsonObject } from '@bufbuild/protobuf'
import type { ClientTls, Kind, ObjectOf } from '@aeraki/api'
import type { KeyValue } from '../contract.ts'

export interface EnvoyProtocol {
  /** As in the port name `tcp-<name>-...`: lower case, no dash. */
  readonly name: string
  /** Istio's VirtualService routes it, as in the codec contract. A MetaRouter may always be there. */
  readonly virtualService?: true
  /** The Aeraki kinds that speak of this protocol alone: `EnvoyPort.policies` answers for these. */
  readonly policyKinds: readonly Kind[]
  /** The types of every Any in patches of clusters: Envoy finds the kind of a cluster by its type, and not in a TypedStruct. */
  readonly clusterTypes?: readonly DescMessage[]
  /**
   * Undefined: this port can't be served, and it has been reported why; it stays plain TCP. A pure function of the port:
   * equal ports give equal results, in bytes.
   */
  translate(port: EnvoyPort): EnvoyTranslation | undefined
}

/** A port of a service, as the proxies of its clients (`outbound`) or of its workloads (`inbound`) see it. */
export interface EnvoyPort {
  readonly direction: 'outbound' | 'inbound'
  readonly namespace: string
  readonly host: string
  /** Of the service, as clients call it. */
  readonly number: number
  /** That the workloads listen on; the name of an inbound cluster has it. */
  readonly targetPort: number
  /**
   * Where requests go without any rule: `outbound|20880||host` or `inbound|20880||`. Filters take it as their stat prefix,
   * as Istio does.
   */
  readonly cluster: string
  /** The ServiceEntry, for findings. */
  readonly entry: ObjectRef
  readonly annotations: Readonly<Record<string, string>>
  /** Of `tcp-metaprotocol-<name>`: what speaks it in a proxy with codecs. Undefined for protocols that Envoy itself knows. */
  readonly application: ApplicationCodec | undefined
  /**
   * The first that matches wins. Undefined: no rule applies, everything goes to `cluster`; always so inbound. An empty
   * list is a rule that matches nothing.
   */
  readonly routes: readonly EnvoyRoute[] | undefined
  /** The MetaRouter for the host, for what it says beside routes (rate limits). */
  readonly router: ObjectOf<'MetaRouter'> | undefined
  /** Client connections that are silent for so long are closed. Undefined: never. */
  readonly idleTimeoutMs: number | undefined
  readonly upstream: EnvoyUpstream
  /** Of the service's namespace, for the host (default: the service's own) or for none in particular; oldest first. */
  policies<K extends Kind>(kind: K, host?: string): readonly ObjectOf<K>[]
  /** Of a host that a policy names; it may be short. */
  fullName(host: string): string
  /**
   * The outbound cluster of a destination that a policy names: hosts may be short, a port that is not given is the host's
   * only one, else the one of the same number as this port. Undefined: no ServiceEntry has this host, or this port.
   */
  resolve(destination: EnvoyDestination): string | undefined
  /** A Secret in the service's namespace; undefined where there is none, and has been none. */
  secret(name: string): KnownSecret | undefined
  /** Something that Envoy can't express or that is missing. The translation goes on without it. */
  report(about: ObjectRef, finding: EnvoyFinding): void
}

export interface ApplicationCodec {
  /** `dubbo`. */
  readonly name: string
  /** `aeraki.meta_protocol.codec.dubbo`. */
  readonly codec: string
  readonly multiplexing: boolean
}

/** What is known of the cluster of the port, beside what Istio makes of it: for filters that need another kind of cluster. */
export interface EnvoyUpstream {
  /** A DestinationRule chooses one. */
  readonly hasLoadBalancer: boolean
  /**
   * Of the DestinationRule, else Istio's automatic mutual TLS where every server is known to take part in it. Undefined:
   * neither, or the data plane has no TLS to servers at all.
   */
  readonly tls: ClientTls | undefined
  /** The workloads, where the data plane can't resolve the host by its name; else empty. */
  readonly endpoints: readonly { readonly address: string; readonly port: number }[]
}

export interface KnownSecret {
  /** Decoded. */
  readonly entries: Readonly<Record<string, string>>
  /** It is gone; these are its last. */
  readonly isGone: boolean
}

export interface EnvoyDestination {
  readonly host: string
  readonly port?: number | undefined
  readonly subset?: string | undefined
}

/** A route of the VirtualService or MetaRouter that holds, with clusters in the place of hosts. */
export interface EnvoyRoute {
  /** The object that it is from, for findings. */
  readonly origin: ObjectRef
  readonly name: string
  /** All must hold; none holds always. */
  readonly match: readonly AttributeCondition[]
  /** At least one, no cluster twice. */
  readonly clusters: readonly WeightedCluster[]
  readonly mirrors: readonly MirrorCluster[]
  /** Undefined: nothing said. 0: none. */
  readonly timeoutMs: number | undefined
  readonly requestMutation: readonly KeyValue[]
  readonly responseMutation: readonly KeyValue[]
  /** The attributes whose values a consistent hash of the destinations asks for. */
  readonly hashAttributes: readonly string[]
}

export interface WeightedCluster {
  readonly cluster: string
  /** At least 1; relative to the others' sum. */
  readonly weight: number
}

export interface MirrorCluster {
  readonly cluster: string
  /** 0 < percent <= 100. */
  readonly percent: number
}

export interface AttributeCondition {
  /** Lower case. */
  readonly name: string
  readonly matcher:
    | { readonly kind: 'exact'; readonly value: string }
    | { readonly kind: 'prefix'; readonly value: string }
    | { readonly kind: 'regex'; readonly pattern: string }
    | { readonly kind: 'present' }
  readonly invert: boolean
}

/** Names an object; every loaded object's kind and metadata are one. */
export interface ObjectRef {
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

export interface EnvoyFinding {
  /** `error`: traffic or protection is not what the object says. `warning`: something is left out. */
  readonly severity: 'error' | 'warning'
  /** `ENVOY_...`, listed in docs/errors.md. */
  readonly code: string
  /** In the object that is spoken of, such as `spec.settings.auth`; `spec` where the place is not known. */
  readonly field: string
  readonly value?: unknown
  readonly message: string
  readonly remedy: string
}

/** What becomes of the filter chain of the port, and of clusters. */
export interface EnvoyTranslation {
  /** Inserted before `tcp_proxy` (or what replaces it), in this order. */
  readonly before?: readonly NetworkFilter[]
  /** Replaces `tcp_proxy`. Undefined: it stays. */
  readonly terminal?: TerminalFilter
  /** Applied in order, in the same EnvoyFilter. */
  readonly clusters?: readonly ClusterPatch[]
}

export interface NetworkFilter {
  /** `envoy.filters.network.dubbo_proxy`. */
  readonly name: string
  /** `type.googleapis.com/envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy`. */
  readonly typeUrl: string
  /**
   * Proto3 JSON of the message: lowerCamelCase, defaults left out, a nested Any as `{"@type": ...}`, no undefined. Which keys
   * come first is part of what is written to a cluster: keep it fixed.
   */
  readonly config: JsonObject
}

/** With its routes in it; where Envoy can fetch them apart, it says how. */
export interface TerminalFilter extends NetworkFilter {
  readonly dynamic?: DynamicRoutes
}

/**
 * The same routes as a resource of their own. When it changes, the next request of a live connection is routed by it;
 * the filter stays as it is, and so does the listener.
 */
export interface DynamicRoutes {
  /** Of the resource: DRDS's, TRDS's. */
  readonly schema: DescMessage
  /** `EnvoyPort.cluster`: who is asked for routes by their name finds the service by it. */
  readonly resourceName: string
  /** Proto3 JSON of the resource. */
  readonly config: JsonObject
  /** The filter that fetches them. `source` is proto3 JSON of an envoy.config.core.v3.ConfigSource. */
  filter(source: JsonObject): NetworkFilter
}

/**
 * `merge` keeps what Istio says of the cluster, its mTLS first of all. Where the kind of the cluster must change (a oneof
 * that a merge can't clear) `remove` and `add` replace it, and what Istio said has to be said again.
 */
export type ClusterPatch =
  | { readonly operation: 'merge'; readonly cluster: string; readonly value: JsonObject }
  | { readonly operation: 'add'; readonly value: JsonObject }
  | { readonly operation: 'remove'; readonly cluster: string }
