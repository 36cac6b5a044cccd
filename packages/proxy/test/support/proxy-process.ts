/** The proxy in a process of its own, and what it says. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

export class ProxyProcess {
  stderr = ''
  readonly stdout: Promise<string>
  readonly exit: Promise<number | null>
  readonly kill: (signal: NodeJS.Signals) => void
  readonly #waiting = new Set<() => void>()

  /** @param env beside this process's own */
  constructor(runtime: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const child = spawn(runtime, [main, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    let stdout = ''
    child.stdout.on('data', (chunk) => {
      stdout += String(chunk)
    })
    child.stderr.on('data', (chunk) => {
      this.stderr += String(chunk)
      for (const check of this.#waiting) check()
    })
    this.exit = new Promise((resolve) => {
      child.once('close', (code) => resolve(code))
    })
    this.stdout = this.exit.then(() => stdout)
    this.kill = (signal) => child.kill(signal)
  }

  /** The match, once the log has it. Rejects when the process ends before. */
  async says(words: RegExp): Promise<RegExpExecArray> {
    return Promise.race([
      new Promise<RegExpExecArray>((resolve) => {
        const check = (): void => {
          const found = words.exec(this.stderr)
          if (found === null) return
          this.#waiting.delete(check)
          resolve(found)
        }
        this.#waiting.add(check)
        check()
      }),
      this.exit.then((code) => {
        throw new Error(`ended with ${code}: ${this.stderr}`)
      }),
    ])
  }
}
