/** A client's handler that remembers: what it has by type and name, every update, every state. */
import { setTimeout } from 'node:timers/promises'
import type { AdsHandler, ClientState, Update } from '../src/index.ts'

export class Recorder implements AdsHandler {
  readonly states: ClientState[] = []
  /** As `Cluster +a +b -c`. */
  readonly updates: string[] = []
  readonly has = new Map<string, string>()
  /** Names that it refuses. */
  readonly refused = new Set<string>()
  delayMs = 0

  async onUpdate(typeUrl: string, { changed, removed }: Update): Promise<void> {
    const type = typeUrl.split('.').at(-1)
    const names = [...changed.map(({ name }) => `+${name}`), ...removed.map((name) => `-${name}`)]
    this.updates.push([type, ...names.toSorted()].join(' '))
    if (this.delayMs > 0) await setTimeout(this.delayMs)
    for (const { name } of changed) if (this.refused.has(name)) throw new Error(`${name} is refused`)
    for (const { name, version } of changed) this.has.set(`${type} ${name}`, version)
    for (const name of removed) this.has.delete(`${type} ${name}`)
  }

  onState(state: ClientState): void {
    this.states.push(state)
  }
}
