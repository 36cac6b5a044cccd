/**
 * Output is collected per connection and written once per turn of the event loop, after all sockets that were ready have
 * been read: what many clients asked in one turn goes to a server in one write.
 */
export interface Flushable {
  /** Set by the flusher; false initially. */
  flushQueued: boolean
  /** Writes what was collected. */
  flush(): void
}

export interface Resumable {
  resumeQueued: boolean
  /** Reads on after a pause. */
  resumeReading(): void
}

export class Flusher {
  #outputs: Flushable[] = []
  #spare: Flushable[] = []
  #paused: Resumable[] = []
  #scheduled = false
  readonly #afterReads: (run: () => void) => void
  readonly #run = (): void => this.run()

  /** @param afterReads as in `Io` */
  constructor(afterReads: (run: () => void) => void) {
    this.#afterReads = afterReads
  }

  add(output: Flushable): void {
    if (output.flushQueued) return
    output.flushQueued = true
    this.#outputs.push(output)
    if (!this.#scheduled) this.#schedule()
  }

  /** Not at once, but from the event loop: nobody is then in the middle of a frame. */
  resume(reader: Resumable): void {
    if (reader.resumeQueued) return
    reader.resumeQueued = true
    this.#paused.push(reader)
    if (!this.#scheduled) this.#schedule()
  }

  run(): void {
    this.#scheduled = false
    if (this.#paused.length > 0) {
      const paused = this.#paused
      this.#paused = []
      for (const reader of paused) {
        reader.resumeQueued = false
        reader.resumeReading()
      }
    }
    const outputs = this.#outputs
    this.#outputs = this.#spare
    for (let index = 0; index < outputs.length; index += 1) {
      const output = outputs[index] as Flushable
      output.flushQueued = false
      output.flush()
    }
    outputs.length = 0
    this.#spare = outputs
  }

  #schedule(): void {
    this.#scheduled = true
    this.#afterReads(this.#run)
  }
}
