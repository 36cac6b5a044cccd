/** The bridge from registries with the outputs that its configuration names. */
import { type Bridge, type BridgeConfig, createBridge, writeToFolder } from '@aeraki/registries'
import { writeServiceEntries } from './outputs/kubernetes/service-entries.ts'

export interface RunningBridge {
  readonly bridge: Bridge
  /** Resolves when registries have been read; see Bridge.start. */
  readonly started: Promise<void>
  /** Ends it; what it wrote stays. */
  close(): Promise<void>
}

/** Throws AerakiError `REGISTRY_OUTPUT`, `KUBERNETES_CONFIG`. */
export function runBridge(config: BridgeConfig): RunningBridge {
  const bridge = createBridge(config)
  const { folder, kubernetes } = config.outputs
  const files = folder === undefined ? undefined : writeToFolder(bridge, folder)
  const cluster = kubernetes === undefined ? undefined : writeServiceEntries(bridge, kubernetes)
  return {
    bridge,
    started: bridge.start(),
    async close() {
      files?.close()
      await cluster?.close()
      await bridge.close()
    },
  }
}
