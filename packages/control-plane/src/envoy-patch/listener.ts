/**
 * Patches a listener as istiod does: the listener, its listener filters, then chain after chain, and in each its filters;
 * within a step the patches of all EnvoyFilters in their order. A patch that fails is reported and leaves no trace.
 */
import { clone } from '@bufbuild/protobuf'
import {
  type Filter,
  type FilterChain,
  FilterChainSchema,
  FilterSchema,
  type ListenerFilter,
  ListenerFilterSchema,
} from '@aeraki/xds/gen/envoy/config/listener/v3/listener_components_pb.ts'
import { type Listener, ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { addsIn, isInContext, listenerFilterOf, matchesChain, matchesListener, networkFilterOf } from './match.ts'
import { mergeAny, mergeInto } from './merge.ts'
import { type Context, isFor, type OnProblem, type Operation, type Patch } from './patch.ts'

/** The listener with the patches applied, a copy where there are any. Undefined: a patch removes it. */
export function patchListener(
  base: Listener,
  context: Context,
  patches: readonly Patch[],
  onProblem: OnProblem,
): Listener | undefined {
  const relevant = patches.filter((patch) => isInContext(patch, context) && matchesListener(patch, base))
  if (relevant.length === 0) return base
  const listener = clone(ListenerSchema, base)
  for (const patch of relevant) {
    if (!isFor(patch, 'LISTENER')) continue
    if (patch.operation === 'REMOVE') return undefined
    if (patch.operation === 'MERGE' && patch.value !== undefined) mergeInto(ListenerSchema, listener, patch.value)
  }
  for (const patch of relevant) {
    if (!isFor(patch, 'LISTENER_FILTER')) continue
    const copy = patch.value && clone(ListenerFilterSchema, patch.value)
    listener.listenerFilters = inserted<ListenerFilter>(
      listener.listenerFilters,
      patch.operation,
      listenerFilterOf(patch),
      copy,
    )
  }
  listener.filterChains = listener.filterChains.flatMap(
    (chain) => patchChain(chain, listener, relevant, onProblem) ?? [],
  )
  if (listener.defaultFilterChain !== undefined) {
    const chain = patchChain(listener.defaultFilterChain, listener, relevant, onProblem)
    if (chain === undefined) delete listener.defaultFilterChain
    else listener.defaultFilterChain = chain
  }
  for (const patch of relevant) {
    if (isFor(patch, 'FILTER_CHAIN') && patch.operation === 'ADD' && patch.value !== undefined)
      listener.filterChains.push(clone(FilterChainSchema, patch.value))
  }
  return listener
}

/** The listeners that patches add in this context. */
export function addedListeners(context: Context, patches: readonly Patch[]): Listener[] {
  return patches.flatMap((patch) =>
    isFor(patch, 'LISTENER') && patch.operation === 'ADD' && patch.value !== undefined && addsIn(patch, context)
      ? [patch.value]
      : [],
  )
}

/** Undefined: a patch removes it. */
function patchChain(
  chain: FilterChain,
  listener: Listener,
  patches: readonly Patch[],
  onProblem: OnProblem,
): FilterChain | undefined {
  const relevant = patches.filter((patch) => matchesChain(patch, listener, chain))
  for (const patch of relevant) {
    if (!isFor(patch, 'FILTER_CHAIN')) continue
    if (patch.operation === 'REMOVE') return undefined
    if (patch.operation === 'MERGE' && patch.value !== undefined) mergeInto(FilterChainSchema, chain, patch.value)
  }
  const filterPatches = relevant.filter((patch) => isFor(patch, 'NETWORK_FILTER'))
  for (const patch of filterPatches) {
    if (patch.operation === 'MERGE') continue
    const copy = patch.value && clone(FilterSchema, patch.value)
    chain.filters = inserted<Filter>(chain.filters, patch.operation, networkFilterOf(patch), copy)
  }
  for (const patch of filterPatches) {
    if (patch.operation !== 'MERGE' || patch.value === undefined) continue
    for (const filter of chain.filters) {
      if (filter.name === networkFilterOf(patch)) mergeFilter(filter, patch.value, (why) => onProblem(patch, why))
    }
  }
  return chain
}

/** A patch without a configuration has no effect, as in Istio. */
function mergeFilter(filter: Filter, patch: Filter, onProblem: (problem: string) => void): void {
  if (patch.configType.case !== 'typedConfig') return
  if (filter.configType.case !== 'typedConfig') {
    onProblem(`filter ${filter.name} has its configuration from elsewhere: patch that`)
    return
  }
  try {
    filter.configType = { case: 'typedConfig', value: mergeAny(filter.configType.value, patch.configType.value) }
    if (patch.name !== '') filter.name = patch.name
  } catch (error) {
    onProblem(`can't be merged into filter ${filter.name}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/**
 * The operations on an ordered list. Without a name to look for, before means first and after means last. With one that is
 * not there, nothing happens. REPLACE takes the first of the name.
 */
function inserted<T extends { readonly name: string }>(
  list: T[],
  operation: Operation,
  name: string | undefined,
  value: T | undefined,
): T[] {
  const at = list.findIndex((each) => each.name === name)
  if (operation === 'REMOVE') return name === undefined ? list : list.filter((each) => each.name !== name)
  if (value === undefined) return list
  switch (operation) {
    case 'ADD':
      return [...list, value]
    case 'INSERT_FIRST':
      return [value, ...list]
    case 'INSERT_BEFORE':
      if (name === undefined) return [value, ...list]
      return at === -1 ? list : list.toSpliced(at, 0, value)
    case 'INSERT_AFTER':
      if (name === undefined) return [...list, value]
      return at === -1 ? list : list.toSpliced(at + 1, 0, value)
    case 'REPLACE':
      return at === -1 ? list : list.with(at, value)
    default:
      return list
  }
}
