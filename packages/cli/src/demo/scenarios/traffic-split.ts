import { replaceOnce, sumBy, type Scenario } from '../scenario.ts'

export const trafficSplit: Scenario = {
  name: 'traffic-split',
  summary: '30 % of the calls to v1, 70 % to v2 (VirtualService)',
  groups: [
    { name: 'v1', workload: 'workload-v1.yaml' },
    { name: 'v2', workload: 'workload-v2.yaml' },
  ],
  kinds: [{ name: '', attachments: {}, share: 1 }],
  consumer: { namespace: 'default', locality: 'ap-guangzhou/zone-1' },
  rule: 'virtual-service.yaml',
  hint: 'change the weights, such as 30 to 90 and 70 to 10',
  outages: [],

  rewrite: (rule, revision) =>
    replaceOnce(
      rule,
      /^( *)- name: "reviews-traffic-splitting"$/m,
      `$1- name: "reviews-traffic-splitting-${revision}"\n$1  headers: { request: { set: { revision: "${revision}" } } }`,
    ),

  problems({ calls }, rule) {
    const byGroup = sumBy(calls, (call) => call.group)
    const weights = weightsOf(rule)
    const all = Object.values(weights).reduce((sum, weight) => sum + weight, 0)
    const total = Object.values(byGroup).reduce((sum, count) => sum + count, 0)
    const problems: string[] = []
    for (const [group, weight] of Object.entries(weights)) {
      const share = weight / all
      const mean = total * share
      const deviation = Math.sqrt(total * share * (1 - share))
      const count = byGroup[group] ?? 0
      if (Math.abs(count - mean) > 3 * deviation) {
        problems.push(
          `${group} answered ${count} of ${total} calls; by the rule ${mean.toFixed(0)} was to be expected, ` +
            `give or take ${(3 * deviation).toFixed(0)} (three standard deviations)`,
        )
      }
    }
    return problems
  },
}

/** Subset to weight, as the rule's text has them. */
export function weightsOf(rule: string): Record<string, number> {
  const weights: Record<string, number> = {}
  for (const [, subset, weight] of rule.matchAll(/subset: (\S+)\s+weight: (\d+)/g)) {
    if (subset !== undefined) weights[subset] = Number(weight)
  }
  return weights
}
