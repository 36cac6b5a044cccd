/** The proxy under measurement: BACKEND_PORT in the environment; prints its own port. */
import { createRuntime } from '../src/create-runtime.ts'

const backend = Number(process.env['BACKEND_PORT'])
const runtime = createRuntime()
runtime.setCluster({
  name: 'outbound|20880|v1|demo',
  policy: 'round-robin',
  connectTimeoutMs: 1000,
  limits: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 100_000 },
  outlier: undefined,
  overprovisioningFactor: 140,
  panicThreshold: 0,
  endpoints: {
    kind: 'static',
    assignment: {
      name: 'demo',
      localities: [
        {
          region: '',
          zone: '',
          subZone: '',
          priority: 0,
          weight: undefined,
          endpoints: [{ address: { host: '127.0.0.1', port: backend }, weight: 1, health: 'healthy' }],
        },
      ],
    },
  },
})
await runtime.setListener({
  name: 'bench',
  address: { host: '127.0.0.1', port: 0 },
  substitute: undefined,
  direction: 'outbound',
  filter: {
    statPrefix: 'bench',
    protocol: 'dubbo',
    idleTimeoutMs: 0,
    routes: {
      kind: 'static',
      table: {
        name: 'bench',
        routes: [
          {
            name: 'by method',
            match: [
              {
                name: 'interface',
                matcher: { kind: 'exact', value: 'com.example.bench.DemoService', ignoreCase: false },
                invert: false,
              },
              { name: 'method', matcher: { kind: 'exact', value: 'sayHello', ignoreCase: false }, invert: false },
            ],
            destinations: [{ cluster: 'outbound|20880|v1|demo', weight: 1 }],
            timeoutMs: undefined,
            requestMutation: undefined,
            responseMutation: undefined,
            hashPolicy: [],
            mirrors: [],
          },
        ],
      },
    },
  },
})
console.log(runtime.snapshot().listeners[0]?.bound?.port)
