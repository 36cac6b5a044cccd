/** A bridge with the outputs that its configuration names. */
import { writeToFolder } from '../outputs/folder.ts'
import { type Bridge, createBridge } from './bridge.ts'
import type { BridgeConfig } from './config.ts'

export interface RunningBridge {
  readonly bridge: Bridge
  /** Resolves when registries have been read; see Bridge.start. */
  readonly started: Promise<void>
  close(): Promise<void>
}

/** @throws AerakiError REGISTRY_OUTPUT */
export function runBridge(config: BridgeConfig): RunningBridge {
  const bridge = createBridge(config)
  const { folder } = config.outputs
  const output = folder === undefined ? undefined : writeToFolder(bridge, folder)
  return {
    bridge,
    started: bridge.start(),
    async close() {
      output?.close()
      await bridge.close()
    },
  }
}
