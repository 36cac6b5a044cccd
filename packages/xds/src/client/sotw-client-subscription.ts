/**
 * State-of-the-world: every request says all names, the wildcard too, which can't be taken back unless it is said. What changed and, for LDS and CDS, what is gone is worked out here
 * from what was accepted before.
 */
import { create, fromBinary } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { AerakiError } from '@aeraki/api/errors'
import type { Update } from '../client-contract.ts'
import type { Node } from '../gen-lean/envoy/config/core/v3/base_pb.ts'
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  ResourceSchema,
} from '../gen-lean/envoy/service/discovery/v3/discovery_pb.ts'
import { ResourceSchema as ConfigurationObjectSchema } from '../gen-lean/istio/mcp/v1alpha1/resource_pb.ts'
import { isCompleteType } from '../type-urls.ts'
import { contentVersion } from '../version.ts'
import { resourceName } from '../wire.ts'
import { type Answer, type ClientSubscription, dropUnwanted, errorDetail, Wanted } from './client-subscription.ts'

type Named = Update['changed'][number]

export class SotwClientSubscription implements ClientSubscription<DiscoveryRequest, DiscoveryResponse> {
  readonly typeUrl: string
  readonly #wanted = new Wanted()
  /** Accepted versions by name. */
  readonly #has = new Map<string, string>()
  /** What the handler has been given and not been told to drop, accepted or not. */
  readonly #shown = new Set<string>()
  /**
   * Dropped and asked for again by a request that the server has ignored if a response of its own crossed it. A
   * complete response has them then; of another type they may have to be dropped and asked for once more.
   */
  readonly #unsure = new Set<string>()
  /** Of the last accepted response. */
  #version = ''
  /** Whether what is there is what that response left; a server may send nothing to a client that says its version. */
  #exact = false
  /** Whether the handler has been called at all. */
  #told = false
  /** On this stream. */
  #started = false
  #nonce = ''
  #changed = false
  #handling = false
  /** What the handler is being given, name to version, but for those dropped since: it won't have them even if wanted again. */
  #handled = new Map<string, string>()
  /** Names that the handler is being told to drop. */
  #removed: readonly string[] = []
  #answer: Answer | undefined

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl
  }

  want(names: readonly string[] | '*'): void {
    const wasWildcard = this.#wanted.isWildcard
    this.#wanted.replace(names)
    const lost = dropUnwanted(this.#has, this.#wanted)
    for (const part of [this.#shown, this.#handled]) dropUnwanted(part, this.#wanted)
    if (lost || this.#wanted.again.size > 0 || this.#wanted.isWildcard !== wasWildcard) this.#exact = false
    this.#changed = true
  }

  restart(): void {
    this.#started = false
    this.#nonce = ''
    this.#changed = true
    this.#answer = undefined
    this.#unsure.clear()
  }

  get due(): { subscription: boolean; answer: boolean } {
    if (!this.#started) return { subscription: !this.#handling && this.#wanted.names.size > 0, answer: false }
    // While a response is being handled its nonce isn't answered, and with an older one the server would ignore it.
    return { subscription: this.#changed && !this.#handling, answer: this.#answer !== undefined }
  }

  next(node: Node | undefined): DiscoveryRequest | undefined {
    const { due } = this
    if (!due.subscription && !due.answer) return undefined
    const answer = this.#answer
    this.#answer = undefined
    // What was dropped and is wanted again the server has to see go first: without it now, with it in the next request.
    const again: ReadonlySet<string> = this.#started ? new Set(this.#wanted.again) : new Set()
    const names = [...this.#wanted.names].filter((name) => !again.has(name))
    this.#settle(answer !== undefined || !this.#started)
    const versionInfo = this.#started || this.#exact ? this.#version : ''
    this.#changed = again.size > 0
    this.#started = true
    return create(DiscoveryRequestSchema, {
      typeUrl: this.typeUrl,
      resourceNames: names,
      versionInfo,
      responseNonce: this.#nonce,
      ...errorDetail(answer),
      ...(node === undefined ? {} : { node }),
    })
  }

  received(response: DiscoveryResponse): Update | undefined {
    this.#handling = true
    this.#handled.clear()
    this.#removed = []
    const resources = response.resources.map((any) => named(any)).filter(({ name }) => this.#wanted.has(name))
    const present = new Set(resources.map(({ name }) => name))
    for (const name of this.#unsure)
      if (this.#wanted.names.has(name) && !present.has(name)) this.#wanted.again.add(name)
    const changed = resources.filter(({ name, version }) => this.#has.get(name) !== version)
    const removed = this.#missing(resources)
    this.#handled = new Map(resources.map(({ name, version }) => [name, version]))
    this.#removed = removed
    for (const { name } of changed) this.#shown.add(name)
    const isNews = !this.#told || changed.length > 0 || removed.length > 0
    this.#told = true
    return isNews ? { changed, removed } : undefined
  }

  answered(response: DiscoveryResponse, error: string | undefined, isCurrent: boolean): void {
    this.#handling = false
    for (const name of this.#removed) this.#has.delete(name)
    if (error === undefined) {
      for (const name of this.#removed) this.#shown.delete(name)
      for (const [name, version] of this.#handled) this.#has.set(name, version)
      this.#version = response.versionInfo
      this.#exact = !this.#changed
    } else {
      // The handler may have taken a part.
      for (const name of this.#handled.keys()) this.#has.delete(name)
      this.#exact = false
    }
    if (!isCurrent) return
    this.#nonce = response.nonce
    this.#answer = { nonce: response.nonce, error }
  }

  /** An answer is never ignored; a mere change of names is, when it crosses a response. */
  #settle(certainly: boolean): void {
    if (certainly) {
      this.#wanted.settled()
      this.#unsure.clear()
    } else {
      if (!isCompleteType(this.typeUrl)) for (const name of this.#wanted.again) this.#unsure.add(name)
      this.#wanted.again.clear()
    }
  }

  #missing(resources: readonly Named[]): string[] {
    if (!isCompleteType(this.typeUrl)) return []
    const present = new Set(resources.map(({ name }) => name))
    return [...this.#shown].filter((name) => !present.has(name))
  }
}

const wrapper = `type.googleapis.com/${ResourceSchema.typeName}`
const configurationObject = `type.googleapis.com/${ConfigurationObjectSchema.typeName}`

function named(any: Any): Named {
  if (any.typeUrl === wrapper) {
    const { name, version, resource } = fromBinary(ResourceSchema, any.value)
    if (resource === undefined) throw new AerakiError('XDS_RESOURCE_MALFORMED', `resource ${name} has no body`)
    return { name, version: version === '' ? contentVersion(resource.value) : version, any: resource }
  }
  const name =
    any.typeUrl === configurationObject
      ? fromBinary(ConfigurationObjectSchema, any.value).metadata?.name
      : resourceName(any.value)
  if (name === undefined) throw new AerakiError('XDS_RESOURCE_MALFORMED', `a ${any.typeUrl} has no name`)
  return { name, version: contentVersion(any.value), any }
}
