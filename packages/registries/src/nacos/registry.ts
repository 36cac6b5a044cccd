/**
 * Nacos: its services, of all kinds, a unit each; services.ts says which there are. The list of services is read again and
 * again, as no server pushes it; reading.ts says when a service is.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { parseDuration } from '@aeraki/api'
import { getLogger } from '@logtape/logtape'
import { defineRegistry, type RegistrySink } from '../contract.ts'
import { loadTls } from '../tls.ts'
import { reasonOf, type Session } from '../util/session.ts'
import { SessionRegistry } from '../util/session-registry.ts'
import { NacosClient } from './client.ts'
import type { ServiceName } from './dialect.ts'
import { openPush } from './push.ts'
import { concurrency, Reading } from './reading.ts'
import { isOfInterest } from './services.ts'
import { type NacosSettings, nacosSettings, serverUrl } from './settings.ts'

const log = getLogger(['aeraki', 'registries', 'nacos'])

export const nacos = defineRegistry('nacos', nacosSettings, (name, settings) => new NacosRegistry(name, settings))

class NacosRegistry extends SessionRegistry {
  readonly #name: string
  readonly #settings: NacosSettings
  readonly #refresh: number
  #pending: () => number = () => 0

  constructor(name: string, settings: NacosSettings) {
    super(settings.servers.map(serverUrl))
    this.#name = name
    this.#settings = settings
    this.#refresh = parseDuration(settings.refresh ?? '10s')
  }

  protected override pending(): number {
    return this.#pending()
  }

  protected override async session({ server, signal, connected }: Session, sink: RegistrySink): Promise<void> {
    const { username, password = '', tls, namespaces, groups } = this.#settings
    const client = await NacosClient.open({
      server,
      tls: loadTls(tls),
      credentials: username === undefined ? undefined : { username, password },
      connections: concurrency + 2,
      signal,
      onAnswer: () => {
        this.heard()
      },
    })
    const reading = new Reading(client, sink, signal)
    this.#pending = () => reading.queue.size
    try {
      const list = async (): Promise<ServiceName[]> => {
        const all: ServiceName[] = []
        const wanted = namespaces?.map((id) => (id === 'public' ? '' : id)) ?? (await client.namespaces())
        for (const namespace of wanted) {
          for await (const name of client.services(namespace)) {
            if (isOfInterest(name) && (groups === undefined || groups.includes(name.group))) all.push(name)
          }
        }
        return all
      }
      this.#openPush(server, client, reading, signal)
      let names = await list()
      connected()
      for (;;) {
        await Promise.race([reading.reconcile(names), reading.failed])
        await Promise.race([delay(this.#refresh, undefined, { signal }), reading.failed])
        names = await list()
      }
    } finally {
      reading.queue.close()
      client.close()
    }
  }

  /** Without it, everything is read each time; and it is tried again while that goes on. */
  #openPush(server: string, client: NacosClient, reading: Reading, signal: AbortSignal): void {
    const url = new URL(server)
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80)) + 1000
    const attempt = async (): Promise<void> => {
      for (let failures = 0; !signal.aborted; failures += 1) {
        try {
          const push = await openPush({
            address: `${url.hostname}:${port}`,
            tls: url.protocol === 'https:' ? loadTls(this.#settings.tls ?? {}) : undefined,
            token: () => client.token(),
            onChange: (name, instances) => {
              this.heard()
              reading.changed(name, instances)
            },
            signal,
          })
          failures = 0
          reading.subscribeWith(push)
          const reason = await push.ended
          reading.subscribeWith(undefined)
          if (!signal.aborted)
            log.info('{name}: the push ended: {reason}', { name: this.#name, reason: reason.message })
        } catch (error) {
          if (failures === 0 && !signal.aborted) {
            const reason = reasonOf(error)
            log.info('{name}: nothing is pushed on port {port}: {reason}', { name: this.#name, port, reason })
          }
        }
        await delay(Math.min(60_000, this.#refresh * 2 ** Math.min(failures, 6)), undefined, { signal }).catch(
          () => undefined,
        )
      }
    }
    void attempt()
  }
}
