/**
 * Routes in a folder, a file each, as Envoys read them that fetch them from there: a DiscoveryResponse in JSON. A file
 * is written elsewhere and moved into its place, so that nobody reads half of it and Envoy notices.
 *
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/overview/xds_api#config-overview-v3-management-server-json
 */
import { accessSync, constants, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AerakiError } from '@aeraki/api'
import { getLogger } from '@logtape/logtape'
import { contentVersion } from '@aeraki/xds'
import type { ServiceRoutes } from '../envoy-filter/service.ts'

const log = getLogger(['aeraki', 'control-plane'])

export interface RouteFiles {
  /**
   * Of a service, from now on. Files that are new are written at once: a listener that names one that is not there is
   * refused. Those that changed are written by `flush`.
   */
  set(service: string, routes: readonly ServiceRoutes[]): void
  /** When clusters that routes lead to have been told. What can't be written is logged, and tried again with the next. */
  flush(): void
}

/** Throws AerakiError ENVOY_ROUTE_FILES when it can't write there. */
export function openRouteFiles(folder: string): RouteFiles {
  const written = new Map<string, string>()
  const filesOf = new Map<string, readonly string[]>()
  const waiting = new Map<string, string | undefined>()
  const unwritten = new Map<string, string>()
  try {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
  } catch (cause) {
    throw new AerakiError('ENVOY_ROUTE_FILES', `can't write routes into ${folder}: ${reasonOf(cause)}`, { cause })
  }

  return {
    set(service, routes) {
      const texts = new Map(routes.map((each) => [each.file, textOf(each)]))
      for (const file of filesOf.get(service) ?? []) if (!texts.has(file)) waiting.set(file, undefined)
      for (const [file, text] of texts) {
        if (!written.has(file)) write(file, text)
        else waiting.set(file, text)
      }
      if (texts.size === 0) filesOf.delete(service)
      else filesOf.set(service, [...texts.keys()])
    },
    flush() {
      const due = new Map([...unwritten, ...waiting])
      waiting.clear()
      unwritten.clear()
      for (const [file, text] of due) {
        if (text !== undefined) write(file, text)
        else if (written.delete(file)) attempt(file, () => rmSync(join(folder, file), { force: true }))
      }
    },
  }

  function write(file: string, text: string): void {
    if (written.get(file) === text) return
    const path = join(folder, file)
    const temporary = join(folder, `.${file}.${process.pid}.tmp`)
    const done = attempt(file, () => {
      writeFileSync(temporary, text)
      renameSync(temporary, path)
    })
    if (done) written.set(file, text)
    else unwritten.set(file, text)
  }
}

function textOf({ routes: { schema, config } }: ServiceRoutes): string {
  const resource = { '@type': `type.googleapis.com/${schema.typeName}`, ...config }
  const version = contentVersion(Buffer.from(JSON.stringify(resource)))
  return `${JSON.stringify({ version_info: version, resources: [resource] }, null, 1)}\n`
}

function attempt(file: string, action: () => unknown): boolean {
  try {
    action()
    return true
  } catch (error) {
    log.error("{file} can't be written: {reason}", { file, reason: reasonOf(error), code: 'ENVOY_ROUTE_FILES' })
    return false
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
