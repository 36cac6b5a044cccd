/** The standalone control plane: a folder, registries and an istiod in, ADS out, admin pages beside it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Diagnostic } from '@aeraki/api'
import { getLogger } from '@logtape/logtape'
import type { BridgeConfig } from '@aeraki/registries'
import { createAdsServer } from '@aeraki/xds'
import { createPages } from './admin/pages.ts'
import { registryPages } from './admin/registry-pages.ts'
import { type AdminServer, startAdmin } from './admin/server.ts'
import type { IstioDelivery, RouteDelivery } from './envoy-filter/delivery.ts'
import { createPipeline } from './pipeline.ts'
import { runBridge } from './registry-bridge.ts'
import { createMcpOutput, withMcp } from './outputs/mcp.ts'
import { feed } from './outputs/mcp-feed.ts'
import { createFolderSource, type FolderSourceOptions } from './sources/folder.ts'
import { createMcpSource, type McpSourceOptions } from './sources/mcp.ts'
import { createRegistrySource } from './sources/registry.ts'
import { createVipAllocator } from './vip/allocator.ts'
import { openStateFile } from './vip/state-file.ts'

const log = getLogger(['aeraki', 'control-plane'])

export interface ControlPlaneOptions {
  readonly configDir: string
  /** Port 0 takes a free one. */
  readonly xds: HostPort
  /** Undefined: no admin pages. */
  readonly admin?: HostPort | undefined
  /** Where VIP assignments are kept. Default `<configDir>/.aeraki/state.json`. */
  readonly stateFile?: string | undefined
  /** Whose DestinationRules count for everyone. Default `istio-system`. */
  readonly rootNamespace?: string | undefined
  readonly folder?: FolderSourceOptions | undefined
  /** How routes come to stock Envoys. Default: over ADS. */
  readonly delivery?: RouteDelivery | undefined
  /** How routes come to the sidecars of an istiod that takes its configuration from here. Default: inline. */
  readonly istioDelivery?: IstioDelivery | undefined
  /** Registries whose services are in the mesh, too; as `loadBridgeConfig` of @aeraki/registries reads them. */
  readonly registries?: BridgeConfig | undefined
  /** An istiod whose configuration is the mesh's, too. */
  readonly istiod?: McpSourceOptions | undefined
}

export interface HostPort {
  readonly host: string
  readonly port: number
}

export interface ControlPlane {
  /** `host:port`, for `--control-plane` of a proxy. */
  readonly xdsAddress: string
  readonly adminAddress: string | undefined
  diagnostics(): Diagnostic[]
  counters(): ControlPlaneCounters
  close(): Promise<void>
}

export interface ControlPlaneCounters {
  /** Batches of file changes that changed at least one object; the first read is one. */
  readonly reloads: number
  readonly recomputedServices: number
  readonly objects: number
  readonly staleObjects: number
  readonly connectedStreams: number
  readonly pushes: number
  readonly acks: number
  readonly nacks: number
}

/**
 * Resolves when the folder, every registry and the istiod have been read and proxies can connect.
 * Throws AerakiError: `SOURCE_UNREADABLE`, `REGISTRY_OUTPUT`, `KUBERNETES_CONFIG`, `ENVOY_ROUTE_FILES`, `XDS_LISTEN`, `ADMIN_LISTEN`.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const state = openStateFile(options.stateFile ?? defaultStateFile(options.configDir))
  const vips = createVipAllocator({ assignments: state.assignments })
  const pipeline = createPipeline({
    vips,
    rootNamespace: options.rootNamespace ?? 'istio-system',
    saveVips: () => state.save(vips.snapshot()),
    ...(options.delivery === undefined ? {} : { delivery: options.delivery }),
    istioDelivery: options.istioDelivery,
  })
  const folder = createFolderSource(options.configDir, options.folder)
  const running = options.registries === undefined ? undefined : runBridge(options.registries)
  const registries = running === undefined ? undefined : createRegistrySource(running.bridge, running.started)
  const istiod = options.istiod === undefined ? undefined : createMcpSource(options.istiod)
  const closeSources = async (): Promise<void> => {
    await Promise.all([folder.close(), registries?.close(), running?.close(), istiod?.close()])
  }
  let admin: AdminServer | undefined
  try {
    // Read first: a proxy that comes back to a restarted control plane must not be told that everything is gone.
    await folder.start((updates) => pipeline.accept(updates))
    await registries?.start((updates) => pipeline.accept(updates))
    await istiod?.start((updates) => pipeline.accept(updates))
    const mcp = createMcpOutput()
    const provider = withMcp(pipeline.output, mcp, () => feed(mcp, pipeline))
    const server = await createAdsServer({ provider, listen: options.xds })
    try {
      const pages = [...createPages({ pipeline, server, bridge: running?.bridge })]
      if (running !== undefined) pages.push(...registryPages(running.bridge))
      if (options.admin !== undefined) admin = await startAdmin(options.admin, pages)
    } catch (error) {
      await server.close()
      throw error
    }
    const xdsAddress = hostPort(server.address)
    log.info('Serving {folder} to proxies on {xds}; admin pages on {admin}', {
      folder: options.configDir,
      xds: xdsAddress,
      admin: admin?.address ?? 'no address',
    })
    return {
      xdsAddress,
      adminAddress: admin?.address,
      diagnostics: () => pipeline.diagnostics(),
      counters() {
        const types = [...server.counters.byType.values()]
        const sum = (what: 'pushes' | 'acks' | 'nacks'): number => types.reduce((total, type) => total + type[what], 0)
        return {
          reloads: pipeline.reloads,
          recomputedServices: pipeline.mesh.recomputed,
          objects: pipeline.store.size,
          staleObjects: pipeline.store.stale,
          connectedStreams: server.counters.streams,
          pushes: sum('pushes'),
          acks: sum('acks'),
          nacks: sum('nacks'),
        }
      },
      async close() {
        await closeSources()
        await Promise.all([server.close(), admin?.close()])
      },
    }
  } catch (error) {
    await closeSources()
    throw error
  }
}

/** Beside the configuration, hidden from the source and from git. */
function defaultStateFile(configDir: string): string {
  const path = join(configDir, '.aeraki', 'state.json')
  try {
    // Not recursive: a folder that isn't there must stay an error.
    mkdirSync(dirname(path))
    writeFileSync(join(dirname(path), '.gitignore'), '*\n', { flag: 'wx' })
  } catch {
    // There already, or a folder that can't be written: saving says so.
  }
  return path
}

function hostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
