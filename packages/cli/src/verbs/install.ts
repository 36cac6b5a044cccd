import { readFileSync } from 'node:fs'
import { AerakiError } from '@aeraki/api/errors'
import type { Command } from '../command.ts'
import type { ValuesText } from '../install/chart.ts'
import { UsageError } from '../usage.ts'

const NAME = 'install'

export const command: Command = {
  operands: '',
  description: [
    'Prints what a Kubernetes cluster needs to run Aeraki: custom resource definitions, rights, the control plane and what',
    'the values ask for. It is the Helm chart (manifests/charts/aeraki), filled in without Helm. The same values give the',
    'same bytes.',
  ].join('\n'),
  options: {
    'dry-run': { type: 'boolean', help: 'print the objects (required: kubectl does the rest)' },
    namespace: { type: 'string', value: 'NAME', default: 'istio-system', help: 'where Aeraki is to run' },
    values: { type: 'string', value: 'FILE', help: "values over the chart's own, as Helm takes them" },
    set: { type: 'string', value: 'KEY=VALUE,...', help: 'single values over those, such as webhook.enabled=true' },
    output: { type: 'string', short: 'o', value: 'FORMAT', choices: ['yaml', 'json'], default: 'yaml', help: 'format' },
  },
  examples: [
    'aeraki install --dry-run | kubectl apply --server-side -f -',
    'aeraki install --dry-run --set controlPlane.replicas=3,gateway.enabled=true',
  ],
  async run(args) {
    if (args.words[0] !== undefined) throw new UsageError(`unexpected "${args.words[0]}"`, NAME)
    if (!args.flag('dry-run')) {
      throw new UsageError('give --dry-run, and its output to "kubectl apply --server-side -f -"', NAME)
    }
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
    const format = args.text('output') === 'json' ? 'json' : 'yaml'
    process.stdout.write(printManifests(render(args.text('namespace') ?? ''), format))
    return 0
  },
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
