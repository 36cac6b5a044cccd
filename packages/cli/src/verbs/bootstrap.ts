import { parseLocality } from '@aeraki/api'
import { readAddress } from '../arguments.ts'
import type { Arguments, Command } from '../command.ts'
import { UsageError } from '../usage.ts'

const NAME = 'bootstrap'
const proxies = ['envoy', 'proxy'] as const

export const command: Command = {
  operands: '',
  description: [
    'Prints the bootstrap with which a proxy joins the mesh of a control plane: a stock Envoy ("envoy -c FILE"), or the',
    'MetaProtocol Proxy ("aeraki proxy --bootstrap FILE").',
  ].join('\n'),
  options: {
    for: { type: 'string', value: 'PROXY', choices: proxies, default: 'envoy', help: 'which proxy will take it' },
    'control-plane': { type: 'string', value: 'HOST:PORT', help: 'where xDS comes from (required)' },
    node: {
      type: 'string',
      value: 'ID',
      help: 'sidecar~IP~NAME.NAMESPACE~NAMESPACE.svc.cluster.local (required)',
    },
    admin: { type: 'string', value: 'HOST:PORT', default: '127.0.0.1:15000', help: 'its admin pages, "off" for none' },
    namespace: { type: 'string', value: 'NS', help: "the workload's namespace; default: as in the node id" },
    labels: { type: 'string', value: 'K=V,...', help: "the workload's labels" },
    locality: { type: 'string', value: 'REGION/ZONE/SUBZONE', help: 'where the workload runs' },
    app: { type: 'string', value: 'HOST[:PORT]', help: 'the local application; default 127.0.0.1 and the same port' },
    intercept: { type: 'boolean', help: 'connections are redirected to Envoy, as istio-iptables does' },
    output: { type: 'string', value: 'FORMAT', choices: ['yaml', 'json'], default: 'yaml', help: 'of what is printed' },
  },
  examples: [
    'aeraki bootstrap --for envoy --control-plane 127.0.0.1:15010 --node sidecar~10.1.2.3~web-1.default~default.svc.cluster.local',
  ],
  async run(args) {
    if (args.words[0] !== undefined) throw new UsageError(`unexpected "${args.words[0]}"`, NAME)
    if (args.text('for') === 'proxy' && args.flag('intercept')) {
      throw new UsageError('the MetaProtocol Proxy redirects by itself: give --intercept to "aeraki proxy"', NAME)
    }
    const locality = args.text('locality')
    const { bootstrapFor } = await import('@aeraki/control-plane')
    const bootstrap = bootstrapFor({
      controlPlane: readAddress(NAME, 'control-plane', required(args, 'control-plane', 'HOST:PORT')),
      node: required(args, 'node', 'ID'),
      admin: args.text('admin') === 'off' ? undefined : readAddress(NAME, 'admin', args.text('admin') ?? ''),
      namespace: args.text('namespace'),
      labels: readLabels(args.text('labels') ?? ''),
      locality: locality === undefined ? undefined : parseLocality(locality),
      app: args.text('app'),
      intercepted: args.flag('intercept'),
    })
    if (args.text('output') === 'json') {
      process.stdout.write(`${JSON.stringify(bootstrap, null, 2)}\n`)
    } else {
      const { stringify } = await import('yaml')
      process.stdout.write(stringify(bootstrap, { aliasDuplicateObjects: false }))
    }
    return 0
  },
}

function required(args: Arguments, option: string, value: string): string {
  const text = args.text(option)
  if (text === undefined || text.trim() === '') throw new UsageError(`give --${option} ${value}`, NAME)
  return text
}

function readLabels(text: string): Record<string, string> {
  const pairs = text.split(',').filter((pair) => pair !== '')
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new UsageError(`--labels "${pair}": give KEY=VALUE,KEY=VALUE`, NAME)
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}
