import { replaceOnce, sumBy, type Scenario } from '../scenario.ts'

export const batchIsolation: Scenario = {
  name: 'batch-isolation',
  summary: 'batch jobs and users on instances of their own, by attachment batchJob (VirtualService)',
  groups: [
    { name: 'batchjob', workload: 'workload-batchjob.yaml' },
    { name: 'user', workload: 'workload-user.yaml' },
  ],
  kinds: [
    { name: 'batchJob=true', attachments: { batchJob: 'true' }, share: 1 },
    { name: 'batchJob=false', attachments: { batchJob: 'false' }, share: 1 },
  ],
  // The talk's rules are in the namespace dubbo, and so is the consumer that they are for.
  consumer: { namespace: 'dubbo', locality: 'ap-guangzhou/zone-1' },
  rule: 'virtual-service.yaml',
  hint: 'change the subset of route-batchjob to user: batch jobs then burden the users again',
  outages: [],

  rewrite: (rule, revision) =>
    replaceOnce(
      rule,
      /^( *)- name: route-batchjob$/m,
      `$1- name: route-batchjob-${revision}\n$1  headers: { request: { set: { revision: "${revision}" } } }`,
    ),

  problems({ calls }) {
    const wanted: Record<string, string> = { 'batchJob=true': 'batchjob', 'batchJob=false': 'user' }
    const wrong = calls.filter((call) => call.group !== wanted[call.kind])
    const problems = Object.entries(sumBy(wrong, (call) => `${call.kind} were answered by ${call.group}`)).map(
      ([what, count]) => `${count} calls with ${what}`,
    )
    for (const kind of Object.keys(wanted)) {
      if (!calls.some((call) => call.kind === kind)) problems.push(`no call with ${kind} was answered`)
    }
    return problems
  },
}
