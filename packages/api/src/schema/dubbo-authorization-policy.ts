/** Aeraki DubboAuthorizationPolicy (dubbo.aeraki.io/v1alpha1). Field names are the wire contract. */
import { type Static, Type } from 'typebox'
import { closed, oneOf, strings } from './builders.ts'

export const DubboRule = closed({
  from: Type.Optional(
    Type.Array(
      closed({
        source: Type.Optional(
          closed({
            principals: Type.Optional(strings()),
            notPrincipals: Type.Optional(strings()),
            namespaces: Type.Optional(strings()),
            notNamespaces: Type.Optional(strings()),
          }),
        ),
      }),
    ),
  ),
  to: Type.Optional(
    Type.Array(
      closed({
        operation: Type.Optional(
          closed({
            interfaces: Type.Optional(strings()),
            notInterfaces: Type.Optional(strings()),
            methods: Type.Optional(strings()),
            notMethods: Type.Optional(strings()),
          }),
        ),
      }),
    ),
  ),
})
export type DubboRule = Static<typeof DubboRule>

export const DubboAuthorizationPolicy = closed({
  rules: Type.Optional(
    Type.Array(DubboRule, { description: 'One that holds is enough. ALLOW without rules denies everything.' }),
  ),
  action: Type.Optional(oneOf(['ALLOW', 'DENY'])),
})
export type DubboAuthorizationPolicy = Static<typeof DubboAuthorizationPolicy>
