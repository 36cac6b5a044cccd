/** Spring Cloud's Eureka server, and a Spring application that registers itself (the peer `eureka`). */
import { freePort } from '../ports.ts'
import { needPeer } from '../peers.ts'
import { type ServerProcess, serverProcess } from './server.ts'

export interface EurekaServer extends ServerProcess {
  readonly port: number
  /** Base URL, with the user and password where it has them. */
  readonly url: string
}

export interface EurekaOptions {
  /** It then asks for basic authentication. */
  readonly user?: { readonly name: string; readonly password: string }
  /** False: it refuses to tell changes alone. */
  readonly deltas?: boolean
}

export interface EurekaApplicationOptions {
  readonly name: string
  /** URLs of servers. */
  readonly servers: readonly string[]
  readonly metadata?: Readonly<Record<string, string>>
  /** Registered in place of its own HTTP port, on 127.0.0.1: what another process serves. */
  readonly registeredPort?: number
}

/** Not started yet. It answers with what is so now, and instances that do not renew are gone after some seconds. */
export async function eurekaServer({ user, deltas = true }: EurekaOptions = {}): Promise<EurekaServer> {
  const port = await freePort()
  const properties = {
    'server.port': port,
    'eureka.client.register-with-eureka': false,
    'eureka.client.fetch-registry': false,
    'eureka.server.use-read-only-response-cache': false,
    // An answer that is being put together while something changes is kept, with the old hash, for 180 s otherwise.
    'eureka.server.response-cache-auto-expiration-in-seconds': 1,
    'eureka.server.eviction-interval-timer-in-ms': 500,
    'eureka.server.enable-self-preservation': false,
    'eureka.server.wait-time-in-ms-when-sync-empty': 0,
    'eureka.server.disable-delta': !deltas,
    ...(user === undefined
      ? {}
      : { 'spring.security.user.name': user.name, 'spring.security.user.password': user.password }),
  }
  const server = serverProcess({
    name: 'eureka',
    port,
    command: () => java('Server', properties),
    // Spring takes connections before it serves.
    patience: 120_000,
  })
  const credentials = user === undefined ? '' : `${user.name}:${user.password}@`
  return { ...server, port, url: `http://${credentials}127.0.0.1:${port}/eureka` }
}

/** Not started yet. `stop` ends it as `kill -9` does: it does not sign off. */
export async function eurekaApplication(options: EurekaApplicationOptions): Promise<ServerProcess & { port: number }> {
  const port = await freePort()
  const properties = {
    'server.port': port,
    'spring.application.name': options.name,
    'eureka.client.service-url.defaultZone': options.servers.map((url) => `${url}/`).join(),
    'eureka.instance.lease-renewal-interval-in-seconds': 1,
    'eureka.instance.lease-expiration-duration-in-seconds': 3,
    // On a busy machine a renewal takes more than its second; each that does would double the time to the next, up to 10 s.
    'eureka.client.heartbeat-executor-exponential-back-off-bound': 1,
    'eureka.client.initial-instance-info-replication-interval-seconds': 0,
    // The server's classes are there, too, and with them half a client.
    'eureka.client.jersey.enabled': false,
    'eureka.instance.prefer-ip-address': true,
    'eureka.instance.ip-address': '127.0.0.1',
    ...(options.registeredPort === undefined ? {} : { 'eureka.instance.non-secure-port': options.registeredPort }),
    ...Object.fromEntries(
      Object.entries(options.metadata ?? {}).map(([key, value]) => [`eureka.instance.metadata-map.${key}`, value]),
    ),
  }
  const command = () => java('Client', properties)
  return { ...serverProcess({ name: 'eureka-application', port, command, patience: 120_000 }), port }
}

function java(main: string, properties: Readonly<Record<string, string | number | boolean>>): [string, ...string[]] {
  return [
    needPeer('java').path,
    '-XX:TieredStopAtLevel=1',
    '-XX:+UseSerialGC',
    '-Xmx256m',
    ...Object.entries({ 'spring.main.banner-mode': 'off', ...properties }).map(([key, value]) => `-D${key}=${value}`),
    '-cp',
    `${needPeer('eureka').path}/lib/*`,
    `io.aeraki.testing.eureka.${main}`,
  ]
}
