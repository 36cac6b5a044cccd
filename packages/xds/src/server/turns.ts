/**
 * Spreads work over turns of the event loop. What a task writes leaves the process when its turn ends: were a thousand
 * streams served in one, the first client would wait for the response to the last.
 */
export class Turns {
  readonly #perTurn: number
  #waiting: (() => void)[] = []
  #scheduled = false

  constructor(perTurn: number) {
    this.#perTurn = perTurn
  }

  /** After this turn, in the order of the calls. */
  run(task: () => void): void {
    this.#waiting.push(task)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#scheduled = false
    const tasks = this.#waiting.slice(0, this.#perTurn)
    this.#waiting = this.#waiting.slice(this.#perTurn)
    if (this.#waiting.length > 0) this.#schedule()
    for (const task of tasks) task()
  }
}
