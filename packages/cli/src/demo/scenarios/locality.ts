import { replaceOnce, type Scenario } from '../scenario.ts'

/** Nearest first, as seen from the consumer in ap-guangzhou/zone-1. */
const NEAREST_FIRST = ['ap-guangzhou/zone-1', 'ap-guangzhou/zone-2', 'ap-shanghai/zone-1']

export const locality: Scenario = {
  name: 'locality',
  summary: 'same zone, then same region, then elsewhere, as instances go and come (DestinationRule)',
  groups: [
    { name: 'ap-guangzhou/zone-1', workload: 'workload-guangzhou-1.yaml' },
    { name: 'ap-guangzhou/zone-2', workload: 'workload-guangzhou-2.yaml' },
    { name: 'ap-shanghai/zone-1', workload: 'workload-shanghai-1.yaml' },
  ],
  kinds: [{ name: '', attachments: {}, share: 1 }],
  consumer: { namespace: 'default', locality: 'ap-guangzhou/zone-1' },
  rule: 'destination-rule.yaml',
  hint: 'change enabled: true to false: calls then go to all zones alike',
  outages: ['ap-guangzhou/zone-1', 'ap-guangzhou/zone-2'],

  rewrite: (rule, revision) => replaceOnce(rule, /^( *)interval: 30s$/m, `$1interval: ${30 + revision}s`),

  problems({ phases }) {
    const problems: string[] = []
    for (const { away, byGroup } of phases) {
      const wanted = NEAREST_FIRST.find((group) => !away.includes(group))
      const others = Object.entries(byGroup).filter(([group, count]) => group !== wanted && count > 0)
      const state = away.length === 0 ? 'all instances there' : `${away.join(' and ')} away`
      for (const [group, count] of others)
        problems.push(`with ${state}, ${group} answered ${count} calls, not ${wanted}`)
      if (wanted !== undefined && (byGroup[wanted] ?? 0) === 0) {
        problems.push(`with ${state}, ${wanted} answered no call`)
      }
    }
    return problems
  },
}
