import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ControlPlaneOptions, RouteDelivery } from '@aeraki/control-plane'
import type { BridgeConfig } from '@aeraki/registries'
import { readAddress } from '../arguments.ts'
import { clusterOptions, runInCluster } from '../cluster.ts'
import type { Arguments, Command } from '../command.ts'
import { istioRoutesOption, readIstioRoutes } from '../istio-routes.ts'
import { untilTerminated } from '../signals.ts'
import { UsageError } from '../usage.ts'

const NAME = 'control-plane'

export const command: Command = {
  operands: '',
  description: [
    'Reads a folder of YAML or JSON, follows its changes and serves them to proxies over xDS until it is interrupted.',
    'With --kubernetes it reads a cluster instead, and its leader writes EnvoyFilters, addresses and conditions into it.',
    'Prints the addresses it listens on, one a line, when it is ready. Port 0 takes a free port.',
  ].join('\n'),
  options: {
    config: { type: 'string', value: 'DIR', help: 'the folder' },
    ...clusterOptions,
    xds: { type: 'string', value: 'HOST:PORT', default: '127.0.0.1:15010', help: 'where proxies connect' },
    admin: { type: 'string', value: 'HOST:PORT', default: '127.0.0.1:15014', help: 'the admin pages' },
    registries: { type: 'string', value: 'FILE', help: 'registries whose services are in the mesh, too' },
    istiod: { type: 'string', value: 'HOST:PORT', help: 'an istiod whose configuration is in the mesh, too' },
    'istiod-ca': { type: 'string', value: 'FILE', help: 'PEM: whom its certificate has to come from' },
    'istiod-cert': { type: 'string', value: 'FILE', help: 'PEM: who we are, of its root namespace' },
    'istiod-key': { type: 'string', value: 'FILE', help: 'PEM: the key of that' },
    'envoy-routes': {
      type: 'string',
      value: 'HOW',
      choices: ['ads', 'extension-config', 'inline'],
      default: 'ads',
      help: 'how routes come to stock Envoys (docs/envoy.md)',
    },
    ...istioRoutesOption,
    'route-files': { type: 'string', value: 'DIR', help: 'writes their routes into files instead, which they read' },
    state: { type: 'string', value: 'FILE', help: 'where allocated addresses are kept (default: in DIR)' },
  },
  examples: [
    'aeraki control-plane --config my-mesh/',
    'aeraki control-plane --config my-mesh/ --xds 127.0.0.1:0',
    'aeraki control-plane --kubernetes --kubeconfig ~/.kube/config',
    'aeraki control-plane --kubernetes --registries registries.yaml',
  ],
  async run(args) {
    if (args.flag('kubernetes')) return await runInCluster(NAME, args)
    const configDir = args.text('config')
    if (configDir === undefined) throw new UsageError('give the folder to serve, --config DIR, or --kubernetes', NAME)
    if (args.words[0] !== undefined) throw new UsageError(`unexpected "${args.words[0]}"`, NAME)
    const xds = readAddress(NAME, 'xds', args.text('xds') ?? '')
    const admin = readAddress(NAME, 'admin', args.text('admin') ?? '')
    const stateFile = args.text('state')
    const registriesFile = args.text('registries')
    const registries = registriesFile === undefined ? undefined : await loadRegistries(registriesFile)
    const { startControlPlane } = await import('@aeraki/control-plane')
    const controlPlane = await startControlPlane({
      configDir,
      xds,
      admin,
      registries,
      istiod: readIstiod(args),
      delivery: readDelivery(args),
      istioDelivery: readIstioRoutes(args),
      ...(stateFile === undefined ? {} : { stateFile }),
    })
    // Whoever reads that it is ready may end it at once.
    const terminated = untilTerminated()
    process.stdout.write(`xds ${controlPlane.xdsAddress}\nadmin ${controlPlane.adminAddress}\n`)
    await terminated
    await controlPlane.close()
    return 0
  },
}

/** Undefined: none is asked for. */
function readIstiod(args: Arguments): ControlPlaneOptions['istiod'] {
  const target = args.text('istiod')
  const [ca, cert, key] = ['istiod-ca', 'istiod-cert', 'istiod-key'].map((option) => readPem(args, option))
  if ((cert === undefined) !== (key === undefined))
    throw new UsageError('--istiod-cert and --istiod-key go together', NAME)
  const tls = [ca, cert, key].some((pem) => pem !== undefined)
  if (target === undefined) {
    if (tls) throw new UsageError('give the istiod that the certificates are for: --istiod HOST:PORT', NAME)
    return undefined
  }
  return {
    target,
    ...(tls
      ? {
          tls: {
            ...(ca === undefined ? {} : { ca }),
            ...(cert === undefined || key === undefined ? {} : { cert, key }),
          },
        }
      : {}),
  }
}

function readPem(args: Arguments, option: string): string | undefined {
  const file = args.text(option)
  if (file === undefined) return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(
      `--${option}: ${file} can't be read (${error instanceof Error ? error.message : String(error)})`,
      NAME,
    )
  }
}

function readDelivery(args: Arguments): RouteDelivery {
  const folder = args.text('route-files')
  const how = args.text('envoy-routes')
  if (folder !== undefined) return { kind: 'files', folder: resolve(folder) }
  return { kind: how === 'inline' || how === 'extension-config' ? how : 'ads' }
}

async function loadRegistries(file: string): Promise<BridgeConfig> {
  const { loadBridgeConfig } = await import('@aeraki/registries')
  return loadBridgeConfig(file)
}
