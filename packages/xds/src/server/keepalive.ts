/** Finds HTTP/2 peers that have gone without a word: pings every so often, and drops who doesn't answer. */
import type { Http2Session } from 'node:http2'

export interface KeepaliveOptions {
  readonly intervalMs: number
  readonly timeoutMs: number
}

/** Ends with the session. */
export function keepAlive(session: Http2Session, { intervalMs, timeoutMs }: KeepaliveOptions): void {
  let deadline: NodeJS.Timeout | undefined
  const interval = setInterval(() => {
    if (session.destroyed || deadline !== undefined) return
    deadline = setTimeout(() => session.destroy(), timeoutMs)
    deadline.unref()
    session.ping((error) => {
      clearTimeout(deadline)
      deadline = undefined
      if (error !== null) session.destroy()
    })
  }, intervalMs)
  interval.unref()
  session.once('close', () => {
    clearInterval(interval)
    clearTimeout(deadline)
  })
}
