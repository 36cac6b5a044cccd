/**
 * State-of-the-world: every request says all names. What changed and, for LDS and CDS, what is gone is worked out here
 * from what was accepted before.
 */
import { create, fromBinary } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { AerakiError } from '@aeraki/api/errors'
import type { Update } from '../client-contract.ts'
import type { Node } from '../gen/envoy/config/core/v3/base_pb.ts'
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  ResourceSchema,
} from '../gen/envoy/service/discovery/v3/discovery_pb.ts'
import { isCompleteType, wildcard } from '../type-urls.ts'
import { contentVersion } from '../version.ts'
import { resourceName } from '../wire.ts'
import { type Answer, type ClientSubscription, errorDetail, Wanted } from './client-subscription.ts'

type Named = Update['changed'][number]

export class SotwClientSubscription implements ClientSubscription<DiscoveryRequest, DiscoveryResponse> {
  readonly typeUrl: string
  readonly #wanted = new Wanted()
  /** Accepted versions by name. */
  readonly #has = new Map<string, string>()
  /** Of the last accepted response; empty when what is there is less than what it had. */
  #version = ''
  /** Whether the handler has been called at all. */
  #told = false
  /** On this stream. */
  #started = false
  #hasNamed = false
  #nonce = ''
  #changed = false
  #handling = false
  /** Names that the handler is being given, but for those dropped since: it won't have them even if wanted again. */
  #handled = new Set<string>()
  #answer: Answer | undefined

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl
  }

  want(names: readonly string[] | '*'): void {
    const wasWildcard = this.#wanted.isWildcard
    const gone = this.#wanted.replace(names, this.#has.keys())
    for (const name of gone) this.#has.delete(name)
    for (const name of this.#handled) if (!this.#wanted.has(name)) this.#handled.delete(name)
    if (gone.length > 0 || this.#wanted.again.size > 0 || this.#wanted.isWildcard !== wasWildcard) this.#version = ''
    this.#changed = true
  }

  restart(): void {
    this.#started = false
    this.#hasNamed = false
    this.#nonce = ''
    this.#changed = true
    this.#answer = undefined
  }

  get due(): { subscription: boolean; answer: boolean } {
    if (!this.#started) return { subscription: !this.#handling && !this.#wanted.isEmpty, answer: false }
    // While a response is being handled its nonce isn't answered, and with an older one the server would ignore it.
    return { subscription: this.#changed && !this.#handling, answer: this.#answer !== undefined }
  }

  next(node: Node | undefined): DiscoveryRequest | undefined {
    const { due } = this
    if (!due.subscription && !due.answer) return undefined
    const answer = this.#answer
    this.#answer = undefined
    // What was dropped and is wanted again the server has to see go first: twice a request, then.
    const again: ReadonlySet<string> = this.#started ? new Set(this.#wanted.again) : new Set()
    const names = [...this.#wanted.names].filter((name) => !again.has(name))
    this.#started = true
    if (this.#wanted.isWildcard && (names.length > 0 || this.#hasNamed || !isCompleteType(this.typeUrl)))
      names.unshift(wildcard)
    if (names.length > 0) this.#hasNamed = true
    this.#wanted.settled()
    this.#changed = again.size > 0
    return create(DiscoveryRequestSchema, {
      typeUrl: this.typeUrl,
      resourceNames: names,
      versionInfo: this.#version,
      responseNonce: this.#nonce,
      ...errorDetail(answer),
      ...(node === undefined ? {} : { node }),
    })
  }

  received(response: DiscoveryResponse): Update | undefined {
    this.#handling = true
    const resources = response.resources.map((any) => named(any)).filter(({ name }) => this.#wanted.has(name))
    this.#handled = new Set(resources.map(({ name }) => name))
    const changed = resources.filter(({ name, version }) => this.#has.get(name) !== version)
    const removed = this.#missing(resources)
    const isNews = !this.#told || changed.length > 0 || removed.length > 0
    this.#told = true
    return isNews ? { changed, removed } : undefined
  }

  answered(response: DiscoveryResponse, error: string | undefined, isCurrent: boolean): void {
    this.#handling = false
    if (error === undefined) {
      const resources = response.resources.map((any) => named(any))
      for (const name of this.#missing(resources)) this.#has.delete(name)
      for (const { name, version } of resources) if (this.#handled.has(name)) this.#has.set(name, version)
      this.#version = this.#changed ? '' : response.versionInfo
    }
    if (!isCurrent) return
    this.#nonce = response.nonce
    this.#answer = { nonce: response.nonce, error }
  }

  #missing(resources: readonly Named[]): string[] {
    if (!isCompleteType(this.typeUrl)) return []
    const present = new Set(resources.map(({ name }) => name))
    return [...this.#has.keys()].filter((name) => !present.has(name))
  }
}

const wrapper = `type.googleapis.com/${ResourceSchema.typeName}`

function named(any: Any): Named {
  if (any.typeUrl === wrapper) {
    const { name, version, resource } = fromBinary(ResourceSchema, any.value)
    if (resource === undefined) throw new AerakiError('XDS_RESOURCE_MALFORMED', `resource ${name} has no body`)
    return { name, version: version === '' ? contentVersion(resource.value) : version, any: resource }
  }
  const name = resourceName(any.value)
  if (name === undefined) throw new AerakiError('XDS_RESOURCE_MALFORMED', `a ${any.typeUrl} has no name`)
  return { name, version: contentVersion(any.value), any }
}
