import type { ClientState } from '@aeraki/xds'
import type { Bootstrap } from '../config/bootstrap.ts'
import type { ResourceLog } from '../config/resource-log.ts'
import type { InterceptStats } from '../intercept/sockets.ts'
import type { LogLevels } from '../log-levels.ts'
import type { Runtime } from '../runtime.ts'
import type { ProxyState } from '../start.ts'

/** What the admin pages read. */
export interface AdminContext {
  readonly bootstrap: Bootstrap
  readonly runtime: Runtime
  readonly resources: ResourceLog
  readonly logLevels: LogLevels | undefined
  /** Workers. */
  readonly concurrency: number
  readonly startedAt: Date
  state(): ProxyState
  /** Undefined: there is no control plane. */
  controlPlane(): ClientState | undefined
  /** Listeners that don't serve yet (as told last), and why. */
  warming(): ReadonlyMap<string, string>
  /** Undefined: there is no interception. */
  intercepted(): InterceptStats | undefined
}

/** An answer of an admin page. */
export interface Page {
  readonly status: number
  /** Default: plain text. */
  readonly type?: 'application/json' | 'text/plain; version=0.0.4; charset=utf-8' | 'text/html; charset=utf-8'
  readonly body: string
}

export function textPage(body: string, status = 200): Page {
  return { status, body: body === '' || body.endsWith('\n') ? body : `${body}\n` }
}

export function jsonPage(value: unknown): Page {
  return { status: 200, type: 'application/json', body: `${JSON.stringify(value, undefined, 1)}\n` }
}
