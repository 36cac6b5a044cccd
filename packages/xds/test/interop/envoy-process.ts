/** Runs a real Envoy that takes everything from our ADS server. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitFor } from '../wait-for.ts'

export interface EnvoyOptions {
  readonly path: string
  readonly nodeId: string
  readonly adsPort: number
  readonly apiType: 'GRPC' | 'DELTA_GRPC'
}

export class EnvoyProcess {
  readonly #process: ChildProcess
  readonly #folder: string
  readonly admin: string
  #log = ''

  private constructor(process: ChildProcess, folder: string, admin: string) {
    this.#process = process
    this.#folder = folder
    this.admin = admin
    process.stderr?.on('data', (chunk: Buffer) => (this.#log += chunk.toString()))
  }

  static async start(options: EnvoyOptions): Promise<EnvoyProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'aeraki-envoy-'))
    const config = join(folder, 'bootstrap.json')
    const adminFile = join(folder, 'admin')
    writeFileSync(config, JSON.stringify(bootstrap(options)))
    const args = [
      '-c',
      config,
      '--admin-address-path',
      adminFile,
      '--disable-hot-restart',
      '--concurrency',
      '1',
      '-l',
      'warn',
    ]
    const process = spawn(options.path, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    const address = await waitFor('Envoy to start', () => readFileSync(adminFile, 'utf8').trim() || undefined)
    return new EnvoyProcess(process, folder, `http://${address}`)
  }

  get log(): string {
    return this.#log
  }

  async get(path: string): Promise<string> {
    const response = await fetch(this.admin + path)
    return await response.text()
  }

  /** Ports of the active listeners by name. */
  async ports(): Promise<ReadonlyMap<string, number>> {
    const { listener_statuses: statuses = [] } = JSON.parse(await this.get('/listeners?format=json')) as {
      listener_statuses?: { name: string; local_address: { socket_address: { port_value: number } } }[]
    }
    return new Map(statuses.map((status) => [status.name, status.local_address.socket_address.port_value]))
  }

  /** Names of the dynamic clusters that are in use, or still warming. */
  async clusters(state: 'active' | 'warming'): Promise<readonly string[]> {
    const { configs = [] } = JSON.parse(await this.get(`/config_dump?resource=dynamic_${state}_clusters`)) as {
      configs?: { cluster: { name: string } }[]
    }
    return configs.map((config) => config.cluster.name).toSorted()
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#process.kill('SIGKILL')
    await ended
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function bootstrap({ nodeId, adsPort, apiType }: EnvoyOptions): unknown {
  const fromAds = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' }
  return {
    node: { id: nodeId, cluster: 'test' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    dynamic_resources: {
      ads_config: {
        api_type: apiType,
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'ads' } }],
      },
      lds_config: fromAds,
      cds_config: fromAds,
    },
    static_resources: {
      clusters: [
        {
          name: 'ads',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'ads',
            endpoints: [
              {
                lb_endpoints: [
                  { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: adsPort } } } },
                ],
              },
            ],
          },
        },
      ],
    },
  }
}
