/** Draws pictures over each other on a terminal. */

const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'
const ERASE_LINE = '\u001b[K'
const ERASE_BELOW = '\u001b[J'

export class Terminal {
  readonly #stream: NodeJS.WriteStream
  #drawn = 0

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
  }

  get width(): number {
    return this.#stream.columns
  }

  draw(lines: readonly string[]): void {
    // What does not fit on the screen cannot be drawn over.
    const fitting = lines.slice(0, Math.max(1, this.#stream.rows - 1))
    const up = this.#drawn > 0 ? `\u001b[${this.#drawn}A` : HIDE_CURSOR
    // One write, so that the terminal never shows half a picture.
    this.#stream.write(`${up}\r${fitting.map((line) => `${line}${ERASE_LINE}\n`).join('')}${ERASE_BELOW}`)
    this.#drawn = fitting.length
  }

  /** Leaves the last picture standing. */
  close(): void {
    if (this.#drawn > 0) this.#stream.write(SHOW_CURSOR)
    this.#drawn = 0
  }
}
