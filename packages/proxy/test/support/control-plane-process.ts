/**
 * A control plane to be killed: an ADS server in a process of its own, with one service on one endpoint.
 * Arguments: its port (0 picks one), the listener's port, the endpoint, the name of the route.
 * Prints `host:port` when it serves.
 */
import { fileURLToPath } from 'node:url'
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { createAdsServer, resource, StaticProvider, typeUrls } from '@aeraki/xds'
import { ClusterSchema } from '@aeraki/xds/gen/envoy/config/cluster/v3/cluster_pb.ts'
import { ClusterLoadAssignmentSchema } from '@aeraki/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts'
import { ListenerSchema } from '@aeraki/xds/gen/envoy/config/listener/v3/listener_pb.ts'
import { RouteConfigurationSchema } from '@aeraki/xds/gen/envoy/config/route/v3/route_pb.ts'
import { edsCluster, endpoints, listener, routes } from './xds.ts'

export interface ControlPlaneProcess {
  readonly address: string
  readonly child: ChildProcess
  /** As `kill -9` does. */
  kill(): Promise<void>
}

export async function spawnControlPlane(
  port: number,
  listenerPort: number,
  endpoint: string,
  cluster: string,
): Promise<ControlPlaneProcess> {
  const args = [fileURLToPath(import.meta.url), String(port), String(listenerPort), endpoint, cluster]
  // Also when the test runs on Bun, the control plane runs on Node.
  const node = process.versions['bun'] === undefined ? process.execPath : 'node'
  const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const address = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).once('line', resolve)
    child.once('exit', (code) => reject(new Error(`the control plane ended with ${code}`)))
  })
  return {
    address,
    child,
    kill: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve())
        child.kill('SIGKILL')
      }),
  }
}

async function serve(port: number, listenerPort: number, endpoint: string, cluster: string): Promise<void> {
  const provider = new StaticProvider()
  provider.set(
    resource('l', typeUrls.listener, ListenerSchema, listener('l', { port: listenerPort, rds: 'r' })),
    resource(cluster, typeUrls.cluster, ClusterSchema, edsCluster(cluster)),
    resource(cluster, typeUrls.endpoints, ClusterLoadAssignmentSchema, endpoints(cluster, endpoint)),
    resource('r', typeUrls.routes, RouteConfigurationSchema, routes('r', cluster)),
  )
  const server = await createAdsServer({ provider, listen: { host: '127.0.0.1', port } })
  process.stdout.write(`${server.address.host}:${server.address.port}\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [port = '0', listenerPort = '0', endpoint = '', cluster = ''] = process.argv.slice(2)
  await serve(Number(port), Number(listenerPort), endpoint, cluster)
}
