/**
 * The property that both variants stand on: whatever changes, is subscribed, refused, delayed or cut off, in whatever
 * order, once everything has been delivered the client has what the provider has. Client and server state machines talk
 * over two queues here, message by message, so that every interleaving can happen.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Node } from '../src/gen/envoy/config/core/v3/base_pb.ts'
import { DeltaClientSubscription } from '../src/client/delta-client-subscription.ts'
import type { ClientSubscription } from '../src/client/client-subscription.ts'
import { SotwClientSubscription } from '../src/client/sotw-client-subscription.ts'
import { isCompleteType, StaticProvider, typeUrls } from '../src/index.ts'
import { DeltaSubscription } from '../src/server/delta-subscription.ts'
import { SotwSubscription } from '../src/server/sotw-subscription.ts'
import type { Subscription } from '../src/server/subscription.ts'
import { item, node } from './resources.ts'

const names = ['a', 'b', 'c', 'd'] as const
const bad = 'bad'

interface Machines<Request, Response> {
  client(typeUrl: string): ClientSubscription<Request, Response>
  server(typeUrl: string): Subscription<Request, Response>
}

/** A client with its consumer, a server, and what is under way between them. */
class Link<Request, Response> {
  readonly #machines: Machines<Request, Response>
  readonly #typeUrl: string
  readonly #provider: StaticProvider
  readonly #client: ClientSubscription<Request, Response>
  #server: Subscription<Request, Response>
  #connected = false
  #nodeSaid = false
  #nonce = 0
  #toServer: Request[] = []
  #toClient: Response[] = []
  #handling: { response: Response; error: string | undefined; connection: number } | undefined
  #connection = 0
  #wanted: readonly string[] | '*' = []
  /** What the consumer has, name to version. */
  readonly view = new Map<string, string>()
  /** Responses that the server made. */
  sent = 0

  constructor(machines: Machines<Request, Response>, typeUrl: string, provider: StaticProvider) {
    this.#machines = machines
    this.#typeUrl = typeUrl
    this.#provider = provider
    this.#client = machines.client(typeUrl)
    this.#server = machines.server(typeUrl)
    provider.onChange((change) => {
      if (this.#connected) this.#server.changed(change.get(typeUrl) ?? new Set(), this.#look())
    })
    this.connect()
  }

  want(wanted: readonly string[] | '*'): void {
    this.#wanted = wanted
    for (const name of this.view.keys()) if (!this.#wants(name)) this.view.delete(name)
    this.#client.want(wanted)
  }

  connect(): void {
    this.#connection++
    this.#connected = true
    this.#nodeSaid = false
    this.#toServer = []
    this.#toClient = []
    this.#server = this.#machines.server(this.#typeUrl)
    this.#client.restart()
  }

  disconnect(): void {
    this.#connected = false
  }

  /** One step of whatever can move; false when it couldn't. */
  step(which: 'request' | 'deliver request' | 'respond' | 'respond changes' | 'handle' | 'handled'): boolean {
    if (which === 'handled') return this.#finish()
    if (!this.#connected) return false
    switch (which) {
      case 'request': {
        const request = this.#client.next(this.#nodeSaid ? undefined : someone)
        if (request === undefined) return false
        this.#nodeSaid = true
        this.#toServer.push(request)
        return true
      }
      case 'deliver request': {
        const request = this.#toServer.shift()
        if (request === undefined) return false
        this.#server.receive(request, this.#look())
        return true
      }
      case 'respond':
      case 'respond changes': {
        const { inFlight, owed } = this.#server
        const part = which === 'respond' ? 'everything' : 'changes'
        if (inFlight || !(owed.changes || (owed.removals && part === 'everything'))) return false
        const outgoing = this.#server.next(part, this.#look(), String(++this.#nonce))
        if (outgoing === undefined) return false
        this.sent++
        this.#toClient.push(outgoing.response)
        return true
      }
      case 'handle':
        return this.#handle()
      default:
        return false
    }
  }

  /** Until nothing moves any more. */
  settle(): void {
    if (!this.#connected) this.connect()
    const steps = ['request', 'deliver request', 'respond', 'handle', 'handled'] as const
    for (let round = 0; steps.some((which) => this.step(which)); round++)
      assert.ok(round < 10_000, 'it never comes to rest')
  }

  #handle(): boolean {
    if (this.#handling !== undefined || this.#client.due.answer) return false
    const response = this.#toClient.shift()
    if (response === undefined) return false
    const update = this.#client.received(response)
    let error: string | undefined
    for (const { name, version } of update?.changed ?? []) {
      assert.ok(this.#wants(name), `${name} was not asked for`)
      // Refuses the response for one bad resource, but takes the good ones, as Envoy and our proxy do.
      if (badVersions.has(version)) error = `${name} is bad`
      else this.view.set(name, version)
    }
    for (const name of update?.removed ?? []) this.view.delete(name)
    this.#handling = { response, error, connection: this.#connection }
    return true
  }

  #finish(): boolean {
    const handled = this.#handling
    if (handled === undefined) return false
    this.#handling = undefined
    this.#client.answered(handled.response, handled.error, this.#connected && handled.connection === this.#connection)
    return true
  }

  /** What it should have. */
  expected(): ReadonlyMap<string, string> {
    const view = this.#look()
    const wanted = this.#wanted === '*' || this.#wants('*') ? view.names(this.#typeUrl) : this.#wanted
    const pairs = wanted.map((name) => [name, view.get(this.#typeUrl, name)?.version] as const)
    return new Map(pairs.filter((pair): pair is [string, string] => pair[1] !== undefined))
  }

  #look() {
    return this.#provider.connect(someone)
  }

  #wants(name: string): boolean {
    return this.#wanted.includes('*') || this.#wanted.includes(name)
  }
}

const someone: Node = node('n')
const delta = {
  client: (typeUrl: string) => new DeltaClientSubscription(typeUrl),
  server: (typeUrl: string) => new DeltaSubscription(typeUrl),
}
const sotw = {
  client: (typeUrl: string) => new SotwClientSubscription(typeUrl),
  server: (typeUrl: string) => new SotwSubscription(typeUrl),
}
const badVersions = new Set(names.map((name) => item(typeUrls.cluster, name, bad).version))

type Action =
  | { readonly kind: 'set'; readonly name: string; readonly revision: string }
  | { readonly kind: 'delete'; readonly name: string }
  | { readonly kind: 'want'; readonly names: readonly string[] | '*' }
  | { readonly kind: 'connect' | 'disconnect' }
  | { readonly kind: 'step'; readonly link: 0 | 1; readonly which: Parameters<Link<unknown, unknown>['step']>[0] }

const name = fc.constantFrom(...names)
const some = fc.subarray([...names])
const step = fc.constantFrom('request', 'deliver request', 'respond', 'respond changes', 'handle', 'handled')

function actions(withWildcard: boolean): fc.Arbitrary<Action[]> {
  const wanted: fc.Arbitrary<readonly string[] | '*'> = withWildcard
    ? fc.oneof(
        some,
        fc.constant('*' as const),
        some.map((each) => ['*', ...each]),
      )
    : some
  const action: fc.Arbitrary<Action> = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('set' as const), name, revision: fc.constantFrom('1', '2', bad) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), name }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('want' as const), names: wanted }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('connect' as const, 'disconnect' as const) }) },
    {
      weight: 14,
      arbitrary: fc.record({
        kind: fc.constant('step' as const),
        link: fc.constantFrom(0 as const, 1 as const),
        which: step,
      }),
    },
  )
  return fc.array(action, { maxLength: 120, size: 'max' })
}

function run(typeUrl: string, script: readonly Action[]) {
  const provider = new StaticProvider()
  const deltaLink = new Link(delta, typeUrl, provider)
  const sotwLink = new Link(sotw, typeUrl, provider)
  const links = [deltaLink, sotwLink] as const
  for (const action of script) {
    switch (action.kind) {
      case 'set':
        provider.set(item(typeUrl, action.name, action.revision))
        break
      case 'delete':
        provider.delete(typeUrl, action.name)
        break
      case 'want':
        for (const link of links) link.want(action.names)
        break
      case 'connect':
      case 'disconnect':
        for (const link of links) link[action.kind]()
        break
      case 'step':
        links[action.link].step(action.which)
    }
  }
  // What was refused stays refused; everything bad is mended in the end.
  for (const each of names) {
    if (badVersions.has(provider.connect(someone).get(typeUrl, each)?.version ?? ''))
      provider.set(item(typeUrl, each, 'mended'))
  }
  for (const link of links) link.settle()
  return { provider, deltaLink, sotwLink }
}

describe('any sequence of changes, subscriptions, answers and reconnects ends with what the provider has', () => {
  for (const typeUrl of [typeUrls.cluster, typeUrls.endpoints]) {
    test(`for ${typeUrl.split('.').at(-1)}`, () => {
      fc.assert(
        fc.property(actions(isCompleteType(typeUrl)), (script) => {
          const { deltaLink, sotwLink } = run(typeUrl, script)
          const expected = deltaLink.expected()
          assert.deepEqual(sorted(deltaLink.view), sorted(expected), 'delta')
          // State-of-the-world can't say that endpoints are gone: the client may have some left, but none that are wrong.
          const sotwView = isCompleteType(typeUrl) ? sotwLink.view : intersect(sotwLink.view, expected)
          assert.deepEqual(sorted(sotwView), sorted(expected), 'state-of-the-world')
        }),
        { numRuns: 1000 },
      )
    })
  }

  test('and when nothing changes after that, nothing more is sent', () => {
    fc.assert(
      fc.property(actions(true), name, (script, touched) => {
        const { provider, deltaLink, sotwLink } = run(typeUrls.cluster, script)
        const sent = [deltaLink.sent, sotwLink.sent]
        const same = provider.connect(someone).get(typeUrls.cluster, touched)
        if (same !== undefined) {
          provider.set(item(typeUrls.cluster, touched, 'else'))
          provider.set(same)
        }
        deltaLink.settle()
        sotwLink.settle()
        assert.deepEqual([deltaLink.sent, sotwLink.sent], sent)
      }),
      { numRuns: 300 },
    )
  })
})

function sorted(view: ReadonlyMap<string, string>): readonly (readonly [string, string])[] {
  return [...view].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

function intersect(view: ReadonlyMap<string, string>, keys: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...view].filter(([each]) => keys.has(each)))
}
