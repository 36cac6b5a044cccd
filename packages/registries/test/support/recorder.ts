/** A sink that remembers, for tests of connectors. */
import assert from 'node:assert/strict'
import type { ConnectionState, Registration, RegistrySink, Rejection, UnitContents } from '../../src/contract.ts'

export class Recorder implements RegistrySink {
  readonly units = new Map<string, UnitContents>()
  readonly states: ConnectionState[] = []
  syncs = 0
  /** Units told, one by one. */
  tellings = 0

  unit(key: string, contents: UnitContents): void {
    this.tellings += 1
    if (contents.registrations.length + contents.rejections.length > 0) this.units.set(key, contents)
    else this.units.delete(key)
  }

  synced(units: Iterable<string>): void {
    const present = new Set(units)
    for (const key of this.units.keys()) if (!present.has(key)) this.units.delete(key)
    this.syncs += 1
  }

  connection(state: ConnectionState): void {
    this.states.push(state)
  }

  get registrations(): Registration[] {
    return [...this.units.values()].flatMap(({ registrations }) => registrations)
  }

  get rejections(): Rejection[] {
    return [...this.units.values()].flatMap(({ rejections }) => rejections)
  }

  /** `host address:port`, sorted. */
  get endpoints(): string[] {
    return this.registrations.map(({ host, address, port }) => `${host} ${address}:${port.number}`).toSorted()
  }

  get lastState(): ConnectionState['kind'] | undefined {
    return this.states.at(-1)?.kind
  }

  /** What it was disconnected for last. */
  get reason(): string {
    const last = this.states.findLast(({ kind }) => kind === 'disconnected')
    return last?.kind === 'disconnected' ? last.reason : ''
  }

  /** Resolves when it holds; fails with what there is instead after a minute. */
  async until(holds: (recorder: this) => boolean): Promise<void> {
    const end = Date.now() + 60_000
    while (!holds(this)) {
      if (Date.now() > end) {
        const { endpoints, rejections, states, syncs } = this
        assert.fail(
          `${String(holds)} does not come true: ${JSON.stringify({ endpoints, rejections, states, syncs }, undefined, 1)}`,
        )
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
