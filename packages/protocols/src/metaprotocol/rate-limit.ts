/** The rate limits of a MetaRouter as filters of the C++ MetaProtocol Proxy. They hold where requests come in. */
import type { JsonObject } from '@bufbuild/protobuf'
import {
  type GlobalRateLimit,
  type LocalRateLimit,
  type MetaRouter,
  parseDuration,
  type TokenBucket,
} from '@aeraki/api'
import { attributeConditions } from '../envoy/conditions.ts'
import type { AttributeCondition } from '../envoy/contract.ts'

const packages = 'type.googleapis.com/aeraki.meta_protocol_proxy.filters'

export function rateLimitFilters({ hosts, localRateLimit, globalRateLimit }: MetaRouter): JsonObject[] {
  return [
    ...(localRateLimit === undefined ? [] : [local(hosts[0] ?? '', localRateLimit)]),
    ...(globalRateLimit === undefined ? [] : [global(globalRateLimit)]),
  ]
}

function local(statPrefix: string, { tokenBucket, conditions = [] }: LocalRateLimit): JsonObject {
  return {
    name: 'aeraki.meta_protocol.filters.local_ratelimit',
    config: {
      '@type': `${packages}.local_ratelimit.v1alpha.LocalRateLimit`,
      statPrefix,
      ...(tokenBucket === undefined ? {} : { tokenBucket: bucket(tokenBucket) }),
      ...(conditions.length === 0
        ? {}
        : {
            conditions: conditions.map((each) => ({
              match: match(each.match?.attributes),
              tokenBucket: bucket(each.tokenBucket),
            })),
          }),
    },
  }
}

function bucket({ maxTokens, tokensPerFill, fillInterval }: TokenBucket): JsonObject {
  return { maxTokens, tokensPerFill: tokensPerFill ?? 1, fillInterval: seconds(fillInterval) }
}

function global(limit: GlobalRateLimit): JsonObject {
  return {
    name: 'aeraki.meta_protocol.filters.ratelimit',
    config: {
      // The directory of the filter is called otherwise, its package is not.
      '@type': `${packages}.ratelimit.v1alpha.RateLimit`,
      match: match(limit.match?.attributes),
      domain: limit.domain,
      timeout: seconds(limit.requestTimeout ?? '20ms'),
      ...(limit.denyOnFail === true ? { failureModeDeny: true } : {}),
      rateLimitService: {
        grpcService: { envoyGrpc: { clusterName: limit.rateLimitService } },
        transportApiVersion: 'V3',
      },
      descriptors: limit.descriptors.map(({ property, descriptorKey }) => ({ property, descriptorKey })),
    },
  }
}

/** In the order of the names: what is written must not depend on the order in which somebody wrote it. */
function match(attributes: Parameters<typeof attributeConditions>[0]): JsonObject {
  const conditions = attributeConditions(attributes).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return conditions.length === 0
    ? {}
    : { metadata: conditions.map(({ name, matcher }) => ({ name, ...value(matcher) })) }
}

/** The early fields of HeaderMatcher: proxies up to 1.4 know them best. */
function value(matcher: AttributeCondition['matcher']): JsonObject {
  switch (matcher.kind) {
    case 'exact':
      return { exactMatch: matcher.value }
    case 'prefix':
      return { prefixMatch: matcher.value }
    case 'regex':
      return { safeRegexMatch: { regex: matcher.pattern } }
    default:
      return { presentMatch: true }
  }
}

function seconds(duration: string): string {
  return `${parseDuration(duration) / 1000}s`
}
