/**
 * Dubbo's mapping from interfaces to applications, the configurations of a group of their own:
 *
 *     group mapping, dataId INTERFACE = APPLICATION[,APPLICATION...]
 *
 * It is only read where an application's metadata is not there.
 */
import { getLogger } from '@logtape/logtape'
import { reasonOf } from '../util/session.ts'
import type { NacosClient } from './client.ts'

const log = getLogger(['aeraki', 'registries', 'nacos'])

const group = 'mapping'

export class Mapping {
  readonly #client: NacosClient
  /** By namespace. */
  readonly #read = new Map<string, Promise<ReadonlyMap<string, readonly string[]>>>()

  constructor(client: NacosClient) {
    this.#client = client
  }

  /** It is read anew when it is wanted next. */
  forget(): void {
    this.#read.clear()
  }

  /** Interfaces that an application has; none where they can't be read. */
  async of(namespace: string, application: string): Promise<readonly string[]> {
    const reading = this.#read.get(namespace) ?? this.#readAll(namespace)
    this.#read.set(namespace, reading)
    return (await reading).get(application) ?? []
  }

  async #readAll(namespace: string): Promise<ReadonlyMap<string, readonly string[]>> {
    const found = new Map<string, string[]>()
    try {
      for await (const [name, applications] of this.#client.configs(namespace, group)) {
        for (const application of applications.split(',')) {
          const known = found.get(application.trim())
          if (known === undefined) found.set(application.trim(), [name])
          else known.push(name)
        }
      }
    } catch (error) {
      // Who may read services may not be allowed to list configurations.
      log.debug("the mapping of namespace '{namespace}' can't be read: {reason}", {
        namespace,
        reason: reasonOf(error),
      })
    }
    return found
  }
}
