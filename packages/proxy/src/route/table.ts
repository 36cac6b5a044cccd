/**
 * A route table compiled for look-up. The first route that matches wins, exactly as in a scan of the list, but exact
 * conditions cost one hash look-up however many routes have them.
 *
 * Routes with exact conditions on the same set of attributes form a group. Within it, the values of those attributes
 * lead through nested maps to the few routes that want exactly these values; these are then tried in order, with
 * whatever other conditions (prefix, regex, ...) they have. Routes without exact conditions form a group without
 * attributes: that one is the ordered scan. The groups are tried in the order of their first routes, and none further
 * than the best route found so far.
 */
import type { AttributeMatch, RouteConfig, RouteTableConfig } from '../config/model.ts'
import { compileMatch, isPresence, type AttributeTest } from './matcher.ts'

/** What is asked of a request: `Frame` has it. */
export interface Attributes {
  attribute(name: string): string | undefined
}

export interface RouteTable<Route> {
  readonly config: RouteTableConfig
  /** Every attribute that a condition or a hash policy reads, lower case. */
  readonly attributes: ReadonlySet<string>
  readonly routes: readonly Route[]
  match(request: Attributes): Route | undefined
}

/**
 * @param make makes what `match` returns, once per route
 * Throws what `re2js` throws on a pattern that is none; the configuration side has checked them.
 */
export function compileRouteTable<Route>(
  config: RouteTableConfig,
  make: (route: RouteConfig) => Route,
): RouteTable<Route> {
  return new CompiledRouteTable(config, config.routes.map(make))
}

interface Candidate {
  /** Place in the table. */
  readonly index: number
  /** The conditions that the look-up has not answered. */
  readonly tests: readonly AttributeTest[]
}

/** Leads from attribute values to candidates: as many levels as the group has attributes. */
type Node = Map<string, Node> | Candidate[]

interface Group {
  readonly firstIndex: number
  /** Sorted. */
  readonly attributes: readonly string[]
  root: Node
}

class CompiledRouteTable<Route> implements RouteTable<Route> {
  readonly config: RouteTableConfig
  readonly attributes: ReadonlySet<string>
  readonly routes: readonly Route[]
  readonly #groups: readonly Group[]

  constructor(config: RouteTableConfig, routes: readonly Route[]) {
    this.config = config
    this.routes = routes
    this.#groups = groupsOf(config.routes)
    this.attributes = new Set(
      config.routes.flatMap(({ match, hashPolicy }) => [...match.map(({ name }) => name), ...hashPolicy]),
    )
  }

  match(request: Attributes): Route | undefined {
    let best = this.routes.length
    const groups = this.#groups
    for (let at = 0; at < groups.length; at += 1) {
      const group = groups[at] as Group
      if (group.firstIndex >= best) break
      const candidates = find(group, request)
      if (candidates !== undefined) best = firstMatch(candidates, request, best)
    }
    return this.routes[best]
  }
}

function find(group: Group, request: Attributes): readonly Candidate[] | undefined {
  let node: Node | undefined = group.root
  const { attributes } = group
  for (let at = 0; at < attributes.length; at += 1) {
    const value = request.attribute(attributes[at] as string)
    if (value === undefined) return undefined
    node = (node as Map<string, Node>).get(value)
    if (node === undefined) return undefined
  }
  return node as Candidate[]
}

/** The place of the first candidate before `best` that matches, else `best`. */
function firstMatch(candidates: readonly Candidate[], request: Attributes, best: number): number {
  for (let at = 0; at < candidates.length; at += 1) {
    const { index, tests } = candidates[at] as Candidate
    if (index >= best) return best
    if (all(tests, request)) return index
  }
  return best
}

function all(tests: readonly AttributeTest[], request: Attributes): boolean {
  for (let at = 0; at < tests.length; at += 1) {
    const test = tests[at] as AttributeTest
    if (!test.matches(request.attribute(test.name))) return false
  }
  return true
}

function groupsOf(routes: readonly RouteConfig[]): readonly Group[] {
  const groups = new Map<string, Group>()
  routes.forEach((route, index) => {
    const { exact, rest } = split(route.match)
    const attributes = [...exact.keys()].sort()
    const shape = JSON.stringify(attributes)
    let group = groups.get(shape)
    if (group === undefined) {
      group = { firstIndex: index, attributes, root: attributes.length === 0 ? [] : new Map() }
      groups.set(shape, group)
    }
    insert(group, exact, { index, tests: rest.map(compileMatch) })
  })
  return [...groups.values()]
}

/** At most one exact condition per attribute is looked up; a second one remains a condition. */
function split(match: readonly AttributeMatch[]): { exact: Map<string, string>; rest: AttributeMatch[] } {
  const exact = new Map<string, string>()
  const rest: AttributeMatch[] = []
  for (const each of match) {
    const { name, matcher, invert } = each
    const plain = matcher.kind === 'exact' && !matcher.ignoreCase && !isPresence(matcher) && !invert
    if (plain && !exact.has(name)) exact.set(name, matcher.value)
    else rest.push(each)
  }
  return { exact, rest }
}

function insert(group: Group, exact: ReadonlyMap<string, string>, candidate: Candidate): void {
  let node = group.root
  group.attributes.forEach((name, level) => {
    const map = node as Map<string, Node>
    const value = exact.get(name) as string
    let next = map.get(value)
    if (next === undefined) {
      next = level === group.attributes.length - 1 ? [] : new Map<string, Node>()
      map.set(value, next)
    }
    node = next
  })
  ;(node as Candidate[]).push(candidate)
}
