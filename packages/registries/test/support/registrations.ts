import type { Registration } from '../../src/contract.ts'

/** A provider of org.demo.Api on 10.0.0.1:20880, but for what is said. */
export function registration(overrides: Partial<Registration> = {}): Registration {
  return {
    provider: 'somebody',
    host: 'org.demo.api',
    interface: 'org.demo.Api',
    namespace: undefined,
    workloadSelector: undefined,
    address: '10.0.0.1',
    port: { protocol: 'dubbo', number: 20880 },
    process: '',
    weight: 100,
    locality: undefined,
    labels: {},
    serviceAccount: undefined,
    health: 'healthy',
    rank: 1,
    ...overrides,
  }
}
