/** A bridge on one or several registries, as a test sees it. */
import assert from 'node:assert/strict'
import { type Bridge, createBridge } from '../../src/bridge/bridge.ts'
import { parseBridgeConfig } from '../../src/bridge/config.ts'
import { type ProviderStatus, providersOf } from '../../src/bridge/status.ts'

export interface TestBridge {
  readonly bridge: Bridge
  /** `address:port` of every instance of the host, sorted; undefined where there is no such host. */
  readonly endpoints: (host: string) => string[] | undefined
  readonly until: (what: string, condition: () => boolean) => Promise<void>
  readonly rejections: () => ProviderStatus[]
  close(): Promise<void>
}

/** Started, not waited for. */
export function startBridge(settings: object): TestBridge {
  const bridge = createBridge(
    parseBridgeConfig(JSON.stringify({ grace: '300ms', massGrace: '300ms', ...settings }), 'test'),
    {
      gatherMs: 5,
      expireMs: 50,
    },
  )
  const started = bridge.start()
  return {
    bridge,
    endpoints: (host) => {
      const service = [...bridge.services()].find((each) => each.host === host)
      return service?.instances.map(({ address, ports }) => `${address}:${Object.values(ports).join()}`).toSorted()
    },
    until: async (what, condition) => {
      const end = Date.now() + 60_000
      while (!condition()) {
        if (Date.now() > end) assert.fail(`it never came that ${what}`)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    rejections: () => providersOf(bridge, { limit: 1000, state: 'rejected' }),
    async close() {
      await bridge.close()
      await started
    },
  }
}
