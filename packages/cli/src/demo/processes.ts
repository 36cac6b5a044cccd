/** The demo's child processes: started under a name, watched, and all ended at the end, whatever the end is. */
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { AerakiError } from '@aeraki/api/errors'

/** Time for an orderly end, before a process is killed. */
const GRACE_MS = 3000
/** Lines of each process's output that are kept to explain its death. */
const KEPT_LINES = 20

/** Ctrl-C in a terminal is for the demo, which then ends the others in order. */
const OWN_GROUP = { detached: true } as const

export interface Child {
  readonly name: string
  readonly process: ChildProcess
  /** The newest lines that it wrote. */
  readonly output: readonly string[]
  /** Resolves with the first line on its standard output that matches. */
  line(pattern: RegExp): Promise<RegExpExecArray>
  /** From now on it may end by itself. */
  dismiss(): void
  /** Ends it, and resolves when it has. */
  stop(): Promise<void>
}

export class Processes {
  readonly #children = new Set<Child>()
  readonly #stopping = new Set<ChildProcess>()
  readonly #onLine: (name: string, line: string) => void
  #crash: ((error: Error) => void) | undefined
  #over = false
  /** Rejects when a process ends that nobody stopped, and at the end. */
  readonly crashed: Promise<never>

  /** `onLine` gets every line that any of them writes. */
  constructor(onLine: (name: string, line: string) => void) {
    this.#onLine = onLine
    this.crashed = new Promise((_, reject) => {
      this.#crash = reject
    })
    // Whoever waits for it handles it; before that it must not end the process.
    this.crashed.catch(() => {})
  }

  /** Any program. */
  start(name: string, program: string, args: readonly string[]): Child {
    this.#refuseWhenOver()
    return this.#watch(name, spawn(program, args, { ...OWN_GROUP, stdio: ['ignore', 'pipe', 'pipe'] }))
  }

  /** A Node script that talks over Node's channel, and ends when the channel does. */
  fork(name: string, script: string, args: readonly string[]): Child {
    this.#refuseWhenOver()
    return this.#watch(name, fork(script, args, { ...OWN_GROUP, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }))
  }

  async stopAll(): Promise<void> {
    this.#over = true
    // For those who still wait for one of them.
    this.#crash?.(new AerakiError('DEMO_INTERRUPTED', 'the demo is over'))
    // The callers before what they call.
    for (const child of [...this.#children].toReversed()) await child.stop()
  }

  /** For the exit of the demo itself, when there is no time to wait. */
  killAll(): void {
    for (const child of this.#children) child.process.kill('SIGKILL')
  }

  /** Whoever was about to start one when the demo ended, must not. */
  #refuseWhenOver(): void {
    if (this.#over) throw new AerakiError('DEMO_INTERRUPTED', 'the demo is over: no more processes are started')
  }

  #watch(name: string, process: ChildProcess): Child {
    const output: string[] = []
    const waiting: { pattern: RegExp; resolve: (match: RegExpExecArray) => void }[] = []
    const hear = (stream: NodeJS.ReadableStream | null, isResult: boolean) => {
      if (stream === null) return
      createInterface({ input: stream }).on('line', (line) => {
        output.push(line)
        if (output.length > KEPT_LINES) output.shift()
        this.#onLine(name, line)
        for (const wait of isResult ? waiting : []) {
          const match = wait.pattern.exec(line)
          if (match !== null) wait.resolve(match)
        }
      })
    }
    hear(process.stdout, true)
    hear(process.stderr, false)

    const ended = new Promise<void>((resolve) => {
      process.once('close', (code, signal) => {
        this.#children.delete(child)
        resolve()
        if (this.#stopping.has(process)) return
        const how = signal === null ? `with exit code ${code}` : `by ${signal}`
        this.#crash?.(new AerakiError('DEMO_PROCESS_DIED', [`${name} ended ${how}`, ...output].join('\n  ')))
      })
    })
    process.once('error', (error) => {
      this.#crash?.(new AerakiError('DEMO_PROCESS_DIED', `${name} cannot be started: ${error.message}`))
    })
    const child: Child = {
      name,
      process,
      output,
      line: (pattern) =>
        Promise.race([new Promise<RegExpExecArray>((resolve) => waiting.push({ pattern, resolve })), this.crashed]),
      dismiss: () => {
        this.#stopping.add(process)
      },
      stop: async () => {
        this.#stopping.add(process)
        if (process.exitCode === null && process.signalCode === null && process.pid !== undefined) {
          process.kill('SIGTERM')
          const timer = setTimeout(() => process.kill('SIGKILL'), GRACE_MS)
          await ended
          clearTimeout(timer)
        }
      },
    }
    this.#children.add(child)
    return child
  }
}
