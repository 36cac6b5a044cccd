/**
 * Incremental: requests add and drop names, responses have what is new and the names of what is gone. After a
 * reconnect the client says which versions it has.
 */
import { create } from '@bufbuild/protobuf'
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from '../gen/envoy/service/discovery/v3/discovery_pb.ts'
import type { NodeView, Resource } from '../provider.ts'
import { isCompleteType, wildcard } from '../type-urls.ts'
import { setVersion } from '../version.ts'
import type { InFlight, Outgoing, Subscription, Verdict } from './subscription.ts'

/** In place of a version: the client knows that there is none by this name. */
const absent = Symbol('absent')

export class DeltaSubscription implements Subscription<DeltaDiscoveryRequest, DeltaDiscoveryResponse> {
  readonly typeUrl: string
  #started = false
  #wildcard = false
  readonly #names = new Set<string>()
  /** What the client has, or will have once it has read what was sent. */
  readonly #told = new Map<string, string | typeof absent>()
  readonly #dirty = new Set<string>()
  /** Asked for and not there, which the client doesn't know yet. */
  readonly #missing = new Set<string>()
  /** The client has it and has to drop it. */
  readonly #gone = new Set<string>()
  #due = false
  #inFlight: InFlight | undefined

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl
  }

  get names(): ReadonlySet<string> {
    return this.#names
  }

  get isWildcard(): boolean {
    return this.#wildcard
  }

  get inFlight(): boolean {
    return this.#inFlight !== undefined
  }

  get owed(): { changes: boolean; removals: boolean } {
    return { changes: this.#due || this.#dirty.size + this.#missing.size > 0, removals: this.#gone.size > 0 }
  }

  receive(request: DeltaDiscoveryRequest, view: NodeView): Verdict {
    const verdict = this.#answer(request)
    if (!this.#started) this.#start(request, view)
    else {
      const { resourceNamesSubscribe: subscribe, resourceNamesUnsubscribe: unsubscribe } = request
      // A name in both lists is sent again; one that a new wildcard stands in for is told either way.
      if (subscribe.includes(wildcard)) this.#subscribe(wildcard, view)
      for (const name of unsubscribe)
        if (name !== wildcard || !subscribe.includes(wildcard)) this.#unsubscribe(name, view)
      for (const name of subscribe) if (name !== wildcard) this.#subscribe(name, view)
    }
    return verdict
  }

  changed(names: ReadonlySet<string>, view: NodeView): void {
    if (this.#wildcard || names.size <= this.#names.size) {
      for (const name of names) if (this.#isSubscribed(name)) this.#check(name, view)
    } else {
      for (const name of this.#names) if (names.has(name)) this.#check(name, view)
    }
  }

  resend(names: Iterable<string>, view: NodeView): void {
    for (const name of names) {
      if (!this.#isSubscribed(name)) continue
      this.#distrust(name)
      this.#check(name, view)
    }
  }

  next(part: 'changes' | 'everything', view: NodeView, nonce: string): Outgoing<DeltaDiscoveryResponse> | undefined {
    for (const name of [...this.#dirty, ...this.#missing, ...this.#gone]) this.#check(name, view)
    const resources: Resource[] = []
    for (const name of this.#dirty) {
      const current = view.get(this.typeUrl, name)
      if (current !== undefined) resources.push(current)
    }
    const removed = [...this.#missing, ...(part === 'everything' ? this.#gone : [])]
    const due = this.#due
    this.#due = false
    if (!due && resources.length === 0 && removed.length === 0) return undefined
    const replaced = resources.filter(({ name }) => typeof this.#told.get(name) === 'string')
    for (const { name, version } of resources) this.#told.set(name, version)
    for (const name of removed) this.#tellGone(name)
    this.#dirty.clear()
    const version = setVersion(resources)
    this.#inFlight = { nonce, version, fresh: new Set(resources.map(({ name }) => name)) }
    const response = create(DeltaDiscoveryResponseSchema, {
      systemVersionInfo: version,
      typeUrl: this.typeUrl,
      nonce,
      resources: resources.map(({ name, version: of, any }) => ({ name, version: of, resource: any })),
      removedResources: removed,
    })
    return { response, version, replaced, resources: resources.length, removed: removed.length }
  }

  #answer(request: DeltaDiscoveryRequest): Verdict {
    const { responseNonce, errorDetail } = request
    if (responseNonce === '') {
      const nothing =
        this.#started && request.resourceNamesSubscribe.length === 0 && request.resourceNamesUnsubscribe.length === 0
      return { kind: nothing ? 'repeat' : 'subscription' }
    }
    const answered = this.#inFlight
    // Names in a request that answers an older response still count: they are said once only.
    if (answered?.nonce !== responseNonce) return { kind: 'stale' }
    this.#inFlight = undefined
    if (errorDetail === undefined) return { kind: 'ack', version: answered.version }
    const { message: reason, code } = errorDetail
    return { kind: 'nack', version: answered.version, reason, code, resources: [...answered.fresh] }
  }

  #start(request: DeltaDiscoveryRequest, view: NodeView): void {
    this.#started = true
    const has = Object.entries(request.initialResourceVersions)
    const legacyWildcard = request.resourceNamesSubscribe.length === 0 && isCompleteType(this.typeUrl)
    this.#wildcard = legacyWildcard || request.resourceNamesSubscribe.includes(wildcard)
    for (const name of request.resourceNamesSubscribe) if (name !== wildcard) this.#names.add(name)
    for (const [name, version] of has) if (this.#isSubscribed(name)) this.#told.set(name, version)
    for (const name of this.#names) this.#check(name, view)
    if (this.#wildcard) for (const name of [...this.#told.keys(), ...view.names(this.typeUrl)]) this.#check(name, view)
    // Who has nothing yet gets an answer even if there is nothing to have.
    this.#due = has.length === 0
  }

  /** What is asked for is sent, even if the client should have it: it may have dropped it in between. */
  #subscribe(name: string, view: NodeView): void {
    if (name !== wildcard) {
      this.#names.add(name)
      this.#distrust(name)
      this.#check(name, view)
      return
    }
    this.#wildcard = true
    this.#due = true
    for (const each of [...this.#told.keys(), ...view.names(this.typeUrl)]) {
      this.#distrust(each)
      this.#check(each, view)
    }
  }

  #unsubscribe(name: string, view: NodeView): void {
    if (name === wildcard) {
      this.#wildcard = false
      for (const each of [...this.#told.keys(), ...this.#dirty, ...this.#missing, ...this.#gone])
        if (!this.#names.has(each)) this.#forget(each)
      return
    }
    if (!this.#names.delete(name)) return
    if (!this.#wildcard) {
      this.#forget(name)
      return
    }
    // The client can't know whether its wildcard has this one too: tell it either way.
    this.#distrust(name)
    this.#check(name, view, 'explain absence')
  }

  #isSubscribed(name: string): boolean {
    return this.#wildcard || this.#names.has(name)
  }

  /** Sorts the name into what has to be sent, what has to be told as absent, or neither. */
  #check(name: string, view: NodeView, mode?: 'explain absence'): void {
    const wasMissing = this.#missing.delete(name)
    this.#gone.delete(name)
    this.#dirty.delete(name)
    const current = view.get(this.typeUrl, name)
    const told = this.#told.get(name)
    if (current !== undefined) {
      if (current.version !== told) this.#dirty.add(name)
    } else if (typeof told === 'string') this.#gone.add(name)
    else if (told !== absent && (this.#names.has(name) || wasMissing || mode === 'explain absence'))
      this.#missing.add(name)
  }

  #tellGone(name: string): void {
    this.#missing.delete(name)
    this.#gone.delete(name)
    if (this.#names.has(name)) this.#told.set(name, absent)
    else this.#told.delete(name)
  }

  /** The client may have dropped it, or not: it has no version that counts, but has to be told when it is gone. */
  #distrust(name: string): void {
    if (typeof this.#told.get(name) === 'string') this.#told.set(name, '')
    else this.#told.delete(name)
  }

  #forget(name: string): void {
    this.#dirty.delete(name)
    this.#missing.delete(name)
    this.#gone.delete(name)
    // What is under way may find the client interested again when it arrives.
    if (this.#inFlight?.fresh.has(name)) this.#distrust(name)
    else this.#told.delete(name)
  }
}
