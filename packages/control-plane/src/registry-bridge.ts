/** The bridge from registries with the outputs that its configuration names. */
import { type Bridge, type BridgeConfig, createBridge, writeToFolder } from '@aeraki/registries'
import {
  type ServiceEntryOutput,
  type ServiceEntryOutputOptions,
  writeServiceEntries,
} from './outputs/kubernetes/service-entries.ts'

export interface RunningBridge {
  readonly bridge: Bridge
  /** Resolves when registries have been read; see Bridge.start. */
  readonly started: Promise<void>
  /** Resolves when every registry has been read in full. */
  readonly complete: Promise<void>
  /** Undefined: no cluster is written to. */
  readonly cluster: ServiceEntryOutput | undefined
  /** Ends it; what it wrote stays. */
  close(): Promise<void>
}

/**
 * Throws AerakiError `REGISTRY_OUTPUT`, `KUBERNETES_CONFIG`.
 * @param kubernetes the cluster to write to; default: the one that the configuration names
 */
export function runBridge(
  config: BridgeConfig,
  kubernetes: ServiceEntryOutputOptions | undefined = config.outputs.kubernetes,
): RunningBridge {
  const bridge = createBridge(config)
  const { folder } = config.outputs
  const files = folder === undefined ? undefined : writeToFolder(bridge, folder)
  const cluster = kubernetes === undefined ? undefined : writeServiceEntries(bridge, kubernetes)
  return {
    bridge,
    cluster,
    complete: new Promise((resolve) => bridge.subscribe({ changed() {}, complete: resolve })),
    started: bridge.start(),
    async close() {
      files?.close()
      await cluster?.close()
      await bridge.close()
    },
  }
}
