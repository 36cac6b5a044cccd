/**
 * State-of-the-world: each request names everything that the client wants, each response of LDS and CDS everything
 * there is of that. Responses of other types have only what is new, and can't say that something is gone.
 */
import { create } from '@bufbuild/protobuf'
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from '../gen/envoy/service/discovery/v3/discovery_pb.ts'
import type { NodeView, Resource } from '../provider.ts'
import { isCompleteType, wildcard } from '../type-urls.ts'
import { setVersion } from '../version.ts'
import type { InFlight, Outgoing, Subscription, Verdict } from './subscription.ts'

export class SotwSubscription implements Subscription<DiscoveryRequest, DiscoveryResponse> {
  readonly typeUrl: string
  readonly #complete: boolean
  #started = false
  #wildcard = false
  /** Whether a request has had names: from then on one without means nothing, not everything. */
  #hasNamed = false
  #names = new Set<string>()
  /** As last sent on this stream. */
  #told = new Map<string, Resource>()
  #dirty = new Set<string>()
  #gone = new Set<string>()
  /** A response is due even if it has nothing in it. */
  #due = false
  #lastNonce = ''
  #inFlight: InFlight | undefined

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl
    this.#complete = isCompleteType(typeUrl)
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
    return { changes: this.#due || this.#dirty.size > 0, removals: this.#gone.size > 0 }
  }

  receive(request: DiscoveryRequest, view: NodeView): Verdict {
    if (!this.#started) return this.#start(request, view)
    const { responseNonce } = request
    if (responseNonce === '' && this.#lastNonce !== '' && this.#inFlight === undefined) {
      // Everything has been answered, so this isn't a request that crossed a response: the client begins anew.
      this.#told.clear()
      this.#names.clear()
      this.#wildcard = false
      this.#hasNamed = false
      this.#due = true
      this.#subscribe(request.resourceNames, view)
      return { kind: 'subscription' }
    }
    if (responseNonce !== this.#lastNonce) return { kind: 'stale' }
    const answered = this.#inFlight
    this.#inFlight = undefined
    const changed = this.#subscribe(request.resourceNames, view)
    if (answered === undefined) return { kind: changed ? 'subscription' : 'repeat' }
    const { errorDetail } = request
    if (errorDetail === undefined) return { kind: 'ack', version: answered.version }
    const { message: reason, code } = errorDetail
    return { kind: 'nack', version: answered.version, reason, code, resources: [...answered.fresh] }
  }

  changed(names: ReadonlySet<string>, view: NodeView): void {
    if (this.#wildcard || names.size <= this.#names.size) {
      for (const name of names) if (this.#wildcard || this.#names.has(name)) this.#check(name, view)
    } else {
      for (const name of this.#names) if (names.has(name)) this.#check(name, view)
    }
  }

  resend(names: Iterable<string>, view: NodeView): void {
    for (const name of names) {
      if (!this.#wildcard && !this.#names.has(name)) continue
      this.#told.delete(name)
      this.#check(name, view)
    }
  }

  next(part: 'changes' | 'everything', view: NodeView, nonce: string): Outgoing<DiscoveryResponse> | undefined {
    const resources = this.#complete ? this.#everything(part, view) : this.#news(view)
    const fresh = resources.filter(({ name, version }) => this.#told.get(name)?.version !== version)
    const present = this.#complete ? new Set(resources.map(({ name }) => name)) : undefined
    const removed = present === undefined ? [] : [...this.#told.keys()].filter((name) => !present.has(name))
    const due = this.#due
    this.#due = false
    this.#dirty.clear()
    if (!due && fresh.length === 0 && removed.length === 0) return undefined
    const replaced = fresh.filter(({ name }) => this.#told.has(name))
    if (this.#complete) this.#told = new Map(resources.map((resource) => [resource.name, resource]))
    else for (const resource of resources) this.#told.set(resource.name, resource)
    const version = setVersion(resources)
    this.#lastNonce = nonce
    this.#inFlight = { nonce, version, fresh: new Set(fresh.map(({ name }) => name)) }
    const response = create(DiscoveryResponseSchema, {
      versionInfo: version,
      typeUrl: this.typeUrl,
      nonce,
      resources: resources.map(({ any }) => any),
    })
    return { response, version, replaced, resources: resources.length, removed: removed.length }
  }

  #start(request: DiscoveryRequest, view: NodeView): Verdict {
    this.#started = true
    this.#due = true
    this.#subscribe(request.resourceNames, view)
    if (this.#wildcard && this.#complete && request.versionInfo !== '') {
      // A client that comes back and has exactly this. Not so with names: it may have dropped and asked again since.
      const resources = this.#subscribed(view)
      if (setVersion(resources) === request.versionInfo) {
        this.#told = new Map(resources.map((resource) => [resource.name, resource]))
        this.#due = false
        this.#dirty.clear()
      }
    }
    return { kind: 'subscription' }
  }

  /** Replaces what is subscribed; whether that made a difference. */
  #subscribe(requested: readonly string[], view: NodeView): boolean {
    const names = new Set(requested)
    if (names.size > 0) this.#hasNamed = true
    const wantsAll = names.delete(wildcard) || (this.#complete && !this.#hasNamed)
    const before = this.#names
    const wasWildcard = this.#wildcard
    this.#names = names
    this.#wildcard = wantsAll
    const added = [...names].filter((name) => !before.has(name))
    const dropped = [...before].filter((name) => !names.has(name))
    if (!wantsAll) {
      for (const name of wasWildcard ? [...this.#told.keys(), ...this.#gone] : dropped)
        if (!names.has(name)) this.#forget(name)
    }
    for (const name of added) {
      if (!wasWildcard) this.#told.delete(name)
      this.#check(name, view)
    }
    // A complete response is also how the client learns that a name doesn't exist.
    if ((added.length > 0 && this.#complete) || (wantsAll && !wasWildcard)) this.#due = true
    if (wantsAll && !wasWildcard) for (const name of view.names(this.typeUrl)) this.#check(name, view)
    return added.length > 0 || dropped.length > 0 || wantsAll !== wasWildcard
  }

  #check(name: string, view: NodeView): void {
    const current = view.get(this.typeUrl, name)
    const told = this.#told.get(name)
    this.#dirty.delete(name)
    this.#gone.delete(name)
    if (current === undefined) {
      if (told !== undefined && this.#complete) this.#gone.add(name)
    } else if (current.version !== told?.version) this.#dirty.add(name)
  }

  #forget(name: string): void {
    this.#told.delete(name)
    this.#dirty.delete(name)
    this.#gone.delete(name)
  }

  /** Everything that a complete response has to have; what is gone as it was, unless its removal is meant. */
  #everything(part: 'changes' | 'everything', view: NodeView): Resource[] {
    const resources = this.#subscribed(view)
    if (part === 'everything') {
      this.#gone.clear()
      return resources
    }
    const present = new Set(resources.map(({ name }) => name))
    this.#gone = new Set([...this.#told.keys()].filter((name) => !present.has(name)))
    for (const name of this.#gone) {
      const told = this.#told.get(name)
      if (told !== undefined) resources.push(told)
    }
    return resources
  }

  #news(view: NodeView): Resource[] {
    const resources: Resource[] = []
    for (const name of this.#dirty) {
      const current = view.get(this.typeUrl, name)
      if (current !== undefined && current.version !== this.#told.get(name)?.version) resources.push(current)
    }
    return resources
  }

  #subscribed(view: NodeView): Resource[] {
    const names = this.#wildcard ? new Set([...view.names(this.typeUrl), ...this.#names]) : this.#names
    const resources: Resource[] = []
    for (const name of names) {
      const current = view.get(this.typeUrl, name)
      if (current !== undefined) resources.push(current)
    }
    return resources
  }
}
