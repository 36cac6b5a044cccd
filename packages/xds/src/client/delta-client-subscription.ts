/** The incremental variant: after a reconnect the server is told which versions are there and sends what differs. */
import { create } from '@bufbuild/protobuf'
import type { Update } from '../client-contract.ts'
import type { Node } from '../gen-lean/envoy/config/core/v3/base_pb.ts'
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '../gen-lean/envoy/service/discovery/v3/discovery_pb.ts'
import { isCompleteType } from '../type-urls.ts'
import { type Answer, type ClientSubscription, dropUnwanted, errorDetail, Wanted } from './client-subscription.ts'

interface Difference {
  readonly subscribe: string[]
  readonly unsubscribe: string[]
}

/** Most requests are answers, and what is wanted may be ten thousand names: then nobody looks for news among them. */
const noDifference: Difference = { subscribe: [], unsubscribe: [] }

export class DeltaClientSubscription implements ClientSubscription<DeltaDiscoveryRequest, DeltaDiscoveryResponse> {
  readonly typeUrl: string
  readonly #wanted = new Wanted()
  /** Accepted versions by name. */
  readonly #has = new Map<string, string>()
  /** What the handler has been given and not been told to drop, accepted or not. */
  readonly #shown = new Set<string>()
  /** On this stream. */
  #started = false
  #toldNames: ReadonlySet<string> = new Set()
  #changed = false
  #handling = false
  /** Names that the handler is being given, but for those dropped since: it won't have them even if wanted again. */
  #handled = new Set<string>()
  #answer: Answer | undefined

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl
  }

  want(names: readonly string[] | '*'): void {
    this.#wanted.replace(names)
    for (const part of [this.#has, this.#shown, this.#handled]) dropUnwanted(part, this.#wanted)
    this.#changed = true
  }

  restart(): void {
    this.#started = false
    this.#toldNames = new Set()
    this.#changed = true
    this.#answer = undefined
  }

  get due(): { subscription: boolean; answer: boolean } {
    // A handler that still runs will have an effect on the versions that a new stream begins with.
    if (!this.#started) return { subscription: !this.#handling && this.#wanted.names.size > 0, answer: false }
    return { subscription: this.#changed, answer: this.#answer !== undefined }
  }

  next(node: Node | undefined): DeltaDiscoveryRequest | undefined {
    const { due } = this
    if (!due.subscription && !due.answer) return undefined
    const request = this.#started ? this.#further() : this.#first()
    if (request === undefined) return undefined
    if (node !== undefined) request.node = node
    return request
  }

  received(response: DeltaDiscoveryResponse): Update {
    this.#handling = true
    const changed: Update['changed'][number][] = []
    for (const { name, version, resource: any } of response.resources) {
      // Without a body it is a sign of life for what is there already.
      if (any !== undefined && this.#wanted.has(name)) changed.push({ name, version, any })
    }
    this.#handled = new Set(changed.map(({ name }) => name))
    for (const { name } of changed) this.#shown.add(name)
    return { changed, removed: response.removedResources.filter((name) => this.#wanted.has(name)) }
  }

  answered(response: DeltaDiscoveryResponse, error: string | undefined, isCurrent: boolean): void {
    this.#handling = false
    for (const name of response.removedResources) this.#has.delete(name)
    if (error === undefined) {
      for (const name of response.removedResources) this.#shown.delete(name)
      for (const { name, version } of response.resources) if (this.#handled.has(name)) this.#has.set(name, version)
    } else {
      // The handler may have taken a part.
      for (const name of this.#handled) this.#has.delete(name)
    }
    if (isCurrent) this.#answer = { nonce: response.nonce, error }
  }

  #first(): DeltaDiscoveryRequest {
    this.#started = true
    const { isWildcard, names } = this.#wanted
    // Every server understands the wildcard without names, if nothing else is asked for.
    const legacy = isWildcard && names.size === 1 && isCompleteType(this.typeUrl)
    this.#told()
    return create(DeltaDiscoveryRequestSchema, {
      typeUrl: this.typeUrl,
      resourceNamesSubscribe: legacy ? [] : [...names],
      // No version for what isn't accepted: the server sends it, or says that it is gone.
      initialResourceVersions: Object.fromEntries([...this.#shown].map((name) => [name, this.#has.get(name) ?? ''])),
    })
  }

  #further(): DeltaDiscoveryRequest | undefined {
    const answer = this.#answer
    const { subscribe, unsubscribe } = this.#changed ? this.#difference() : noDifference
    this.#told()
    if (subscribe.length === 0 && unsubscribe.length === 0 && answer === undefined) return undefined
    this.#answer = undefined
    return create(DeltaDiscoveryRequestSchema, {
      typeUrl: this.typeUrl,
      resourceNamesSubscribe: subscribe,
      resourceNamesUnsubscribe: unsubscribe,
      responseNonce: answer?.nonce ?? '',
      ...errorDetail(answer),
    })
  }

  /** Between what is wanted and what the server has been told. */
  #difference(): Difference {
    const { names, again } = this.#wanted
    return {
      subscribe: [...names].filter((name) => !this.#toldNames.has(name) || again.has(name)),
      unsubscribe: [...this.#toldNames].filter((name) => !names.has(name)),
    }
  }

  #told(): void {
    this.#toldNames = this.#wanted.names
    this.#changed = false
    this.#wanted.settled()
  }
}
