/** What the connectors have in common that talk to one server at a time: see session.ts. */
import type { Registry, RegistrySink } from '../contract.ts'
import { runSessions, type Session } from './session.ts'

export abstract class SessionRegistry implements Registry {
  readonly #servers: readonly string[]
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #heardAt: number | undefined

  /** @param servers what a session gets one of */
  constructor(servers: readonly string[]) {
    this.#servers = servers
  }

  start(sink: RegistrySink): void {
    this.#running = runSessions({
      servers: this.#servers,
      sink,
      signal: this.#stop.signal,
      session: (session) => this.session(session, sink),
    })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  progress() {
    return { heardAt: this.#heardAt, pending: this.pending() }
  }

  /** Talks to the server for as long as it can, then rejects with an Error for people. */
  protected abstract session(session: Session, sink: RegistrySink): Promise<void>

  /** Units that are known to have changed and are not read yet. */
  protected abstract pending(): number

  /** To be called at each sign of life of the server. */
  protected heard(): void {
    this.#heardAt = Date.now()
  }
}
