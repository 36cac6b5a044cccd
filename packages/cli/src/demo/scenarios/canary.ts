import { replaceOnce, sumBy, type Scenario } from '../scenario.ts'

const TRACING = '100'

export const canary: Scenario = {
  name: 'canary',
  summary: 'user=test to v2, with the attachment tracing=100 added (early form of MetaRouter)',
  groups: [
    { name: 'v1', workload: 'workload-v1.yaml' },
    { name: 'v2', workload: 'workload-v2.yaml' },
  ],
  kinds: [
    { name: 'user=test', attachments: { user: 'test' }, share: 1 },
    { name: 'user=alice', attachments: { user: 'alice' }, share: 3 },
  ],
  consumer: { namespace: 'default', locality: 'ap-guangzhou/zone-1' },
  rule: 'virtual-service.yaml',
  hint: 'change exact: "test" to "alice", or the value of tracing',
  outages: [],

  rewrite: (rule, revision) =>
    replaceOnce(rule, /^( *)tracing: "100"$/m, `$1tracing: "${TRACING}"\n$1revision: "${revision}"`),

  problems({ calls }) {
    const wrong = calls.filter((call) =>
      call.kind === 'user=test'
        ? call.group !== 'v2' || call.tracing !== TRACING
        : call.group !== 'v1' || call.tracing !== '' || call.revision !== '',
    )
    const problems = Object.entries(
      sumBy(wrong, ({ kind, group, tracing }) => {
        const seen = tracing === '' ? 'no attachment tracing' : `tracing=${tracing}`
        return `${kind} were answered by ${group}, which saw ${seen}`
      }),
    ).map(([what, count]) => `${count} calls with ${what}`)
    for (const group of ['v1', 'v2']) {
      if (!calls.some((call) => call.group === group)) problems.push(`no call was answered by ${group}`)
    }
    return problems
  },
}
