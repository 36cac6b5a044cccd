/** What a destination's DestinationRule asks to be hashed. */
import type { Destination, Service } from '../mesh/model.ts'
import { type SelectionContext, selectPolicy } from '../mesh/selection.ts'
import { effectivePolicy } from './traffic-policy.ts'

/** The attribute; undefined: none. */
export function hashAttribute(
  service: Service,
  { host, subset, port }: Destination,
  calledPort: number,
  context: SelectionContext,
): string | undefined {
  const rules = selectPolicy(service, host, context)
  const chosen = rules.subsets.find(({ name }) => name === subset)
  return effectivePolicy(rules.policy, chosen?.policy, port ?? calledPort).loadBalancer?.hashAttribute
}
