/**
 * DubboAuthorizationPolicy on a stock Envoy. Its dubbo_proxy has no filter for access, so what can be checked is who
 * calls, by the identity of the connection: Envoy's network RBAC filter before dubbo_proxy. What a rule says of interfaces
 * and methods can't be, and then it must not let anyone in whom the policy keeps out: as Istio does with HTTP fields on a
 * TCP port, such a rule allows nobody, and such a rule of DENY denies every call of those it speaks of.
 */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf'
import type { DubboRule, ObjectOf } from '@aeraki/api'
import type { EnvoyPort, NetworkFilter } from '../envoy/contract.ts'

type Policy = ObjectOf<'DubboAuthorizationPolicy'>
type Action = 'ALLOW' | 'DENY'
type Source = NonNullable<NonNullable<DubboRule['from']>[number]['source']>

/** DENY first: nothing that it denies is allowed by the other. */
export function authorizationFilters(port: EnvoyPort): NetworkFilter[] {
  const policies = port.policies('DubboAuthorizationPolicy')
  return (['DENY', 'ALLOW'] as const).flatMap((action) => {
    const chosen = policies.filter(({ spec }) => (spec.action ?? 'ALLOW') === action)
    if (chosen.length === 0) return []
    const rules = Object.fromEntries(chosen.flatMap((policy) => rulesOf(policy, action, port)))
    // ALLOW without any rule denies all; DENY without any denies nobody.
    return action === 'DENY' && Object.keys(rules).length === 0 ? [] : [filter(action, rules)]
  })
}

function filter(action: Action, policies: JsonObject): NetworkFilter {
  return {
    name: 'envoy.filters.network.rbac',
    typeUrl: 'type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC',
    config: { rules: { action, policies }, statPrefix: `dubbo_${action.toLowerCase()}.` },
  }
}

function rulesOf({ kind, metadata, spec }: Policy, action: Action, port: EnvoyPort): [string, JsonObject][] {
  const { namespace, name } = metadata
  return (spec.rules ?? []).flatMap((rule, index): [string, JsonObject][] => {
    const restricts = rule.to?.some(({ operation }) => Object.values(operation ?? {}).some((list) => list.length > 0))
    if (restricts === true) {
      const isAllow = action === 'ALLOW'
      port.report(
        { kind, namespace, name },
        {
          severity: 'error',
          code: 'ENVOY_UNSUPPORTED_POLICY',
          field: `spec.rules[${index}].to`,
          message: `a stock Envoy can't check interfaces and methods: ${isAllow ? 'the rule allows nobody' : 'the rule denies every call from whom it names'}`,
          remedy: 'name callers alone (from), or serve the port with the MetaProtocol Proxy',
        },
      )
      if (isAllow) return []
    }
    const sources = (rule.from ?? []).flatMap(({ source }) => (source === undefined ? [] : [principal(source)]))
    return [
      [
        `ns[${namespace}]-policy[${name}]-rule[${index}]`,
        { permissions: [{ any: true }], principals: sources.length > 0 ? sources : [{ any: true }] },
      ],
    ]
  })
}

/** Fields are ANDed, the entries of each ORed. */
function principal({ principals, notPrincipals, namespaces, notNamespaces }: Source): JsonObject {
  const ids = [
    ...oneOf(principals, identity),
    ...oneOf(notPrincipals, identity).map((id) => ({ notId: id })),
    ...oneOf(namespaces, inNamespace),
    ...oneOf(notNamespaces, inNamespace).map((id) => ({ notId: id })),
  ]
  return ids.length === 0 ? { any: true } : { andIds: { ids } }
}

function oneOf(values: readonly string[] | undefined, matcher: (value: string) => JsonObject): JsonObject[] {
  if (values === undefined || values.length === 0) return []
  const ids: JsonValue[] = values.map((value) => ({ authenticated: { principalName: matcher(value) } }))
  return [{ orIds: { ids } }]
}

/** `*`, `abc*`, `*abc` or the whole name: trust domain, namespace and service account. */
function identity(value: string): JsonObject {
  const scheme = 'spiffe://'
  if (value === '*') return { safeRegex: { regex: '.+' } }
  if (value.endsWith('*')) return { prefix: scheme + value.slice(0, -1) }
  if (value.startsWith('*')) return { safeRegex: { regex: `${scheme}.*${escaped(value.slice(1))}` } }
  return { exact: scheme + value }
}

function inNamespace(value: string): JsonObject {
  return { safeRegex: { regex: `.*/ns/${value.split('*').map(escaped).join('.*')}/.*` } }
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
