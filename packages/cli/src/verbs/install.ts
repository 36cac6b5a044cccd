import { readFileSync } from 'node:fs'
import { AerakiError } from '@aeraki/api/errors'
import type { Arguments, Command } from '../command.ts'
import type { Manifest, ValuesText } from '../install/chart.ts'
import { UsageError } from '../usage.ts'

const NAME = 'install'

export const command: Command = {
  operands: '',
  description: [
    'Writes to a Kubernetes cluster what it needs to run Aeraki: custom resource definitions, rights, the control plane and',
    'what the values ask for. It is the Helm chart (manifests/charts/aeraki), filled in without Helm, and written by server-side',
    'apply. With --dry-run it is printed instead; the same values give the same bytes.',
    'Exit code 1 when a value is wrong (then nothing is written) or the cluster refuses an object.',
  ].join('\n'),
  options: {
    'dry-run': { type: 'boolean', help: 'print the objects, and ask no cluster' },
    kubeconfig: {
      type: 'string',
      value: 'FILE',
      help: 'the kubeconfig (default: KUBECONFIG, the pod, ~/.kube/config)',
    },
    context: { type: 'string', value: 'NAME', help: 'a context of the kubeconfig' },
    namespace: { type: 'string', value: 'NAME', default: 'istio-system', help: 'where Aeraki is to run' },
    values: { type: 'string', value: 'FILE', help: "values over the chart's own, as Helm takes them" },
    set: { type: 'string', value: 'KEY=VALUE,...', help: 'single values over those, such as webhook.enabled=true' },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      choices: ['yaml', 'json'],
      default: 'yaml',
      help: 'format of --dry-run',
    },
  },
  examples: [
    'aeraki install --context staging',
    'aeraki install --dry-run | kubectl apply --server-side -f -',
    'aeraki install --dry-run --set controlPlane.replicas=3,gateway.enabled=true',
  ],
  async run(args) {
    if (args.words[0] !== undefined) throw new UsageError(`unexpected "${args.words[0]}"`, NAME)
    const [{ formatDiagnostics, hasErrors }, { loadChart, printManifests }] = await Promise.all([
      import('@aeraki/api'),
      import('../install/chart.ts'),
    ])
    const file = args.text('values')
    const set = args.text('set')
    const { diagnostics, render } = loadChart([
      ...(file === undefined ? [] : [readValues(file)]),
      ...(set === undefined ? [] : [{ name: '--set', text: readSettings(set) }]),
    ])
    if (diagnostics.length > 0) {
      const shown = diagnostics.map((each) => (each.file === '--set' ? { ...each, line: 0 } : each))
      process.stderr.write(`${formatDiagnostics(shown, 'text')}\n`)
    }
    if (hasErrors(diagnostics)) return 1
    const manifests = render(args.text('namespace') ?? '')
    if (!args.flag('dry-run')) return await apply(manifests, args)
    process.stdout.write(printManifests(manifests, args.text('output') === 'json' ? 'json' : 'yaml'))
    return 0
  },
}

async function apply(manifests: readonly Manifest[], args: Arguments): Promise<number> {
  const [{ createKubernetesClient, loadClusterConfig }, { applyManifests }] = await Promise.all([
    import('@aeraki/kubernetes'),
    import('../install/apply.ts'),
  ])
  const config = loadClusterConfig({ kubeconfig: args.text('kubeconfig'), context: args.text('context') })
  const client = createKubernetesClient(config)
  let refused = 0
  try {
    for await (const { object, problem } of applyManifests(client, manifests)) {
      if (problem === undefined) process.stdout.write(`${object} applied\n`)
      else {
        refused += 1
        process.stderr.write(`aeraki: ${object}: ${problem}\n`)
      }
    }
  } finally {
    client.close()
  }
  return refused === 0 ? 0 : 1
}

function readValues(name: string): ValuesText {
  try {
    return { name, text: readFileSync(name, 'utf8') }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new AerakiError('INSTALL_VALUES', `${name}: cannot be read (${reason}). Check the path.`, { cause })
  }
}

/** `a.b=1,c=x` as YAML. */
function readSettings(text: string): string {
  const root: Record<string, unknown> = {}
  for (const pair of text.split(',')) {
    const [, path, value = ''] = /^([A-Za-z][\w.]*)=(.*)$/.exec(pair) ?? []
    if (path === undefined) throw new UsageError(`--set "${pair}": give KEY=VALUE, such as webhook.enabled=true`, NAME)
    const names = path.split('.')
    const last = names.pop() ?? ''
    const parent = names.reduce((map, name) => (map[name] ??= {}) as Record<string, unknown>, root)
    parent[last] = scalar(value)
  }
  return JSON.stringify(root)
}

/** As Helm's --set: true, false and numbers are what they look like. */
function scalar(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d+$/.test(text) ? Number(text) : text
}
