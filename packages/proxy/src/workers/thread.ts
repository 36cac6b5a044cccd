/** A worker, as the main thread has it. */
import { Worker } from 'node:worker_threads'
import { AerakiError } from '@aeraki/api/errors'
import { logRelayed } from './log-relay.ts'
import type { Order, Question, Report, Word } from './messages.ts'

/** An order with no answer. */
export type PlainOrder = Exclude<Order, { readonly call: number }>

/** One whose answer says that it is done. */
export type PlainQuestion = Exclude<Question, { readonly kind: 'report' }>

interface Waiting {
  resolve(report: Report | undefined): void
  reject(error: AerakiError): void
}

export interface ThreadOptions {
  /** From 0. */
  readonly index: number
  /** It had come up and ended, though nobody had closed it: with this `AerakiError` PROXY_WORKER_FAILED. */
  readonly onFailure: (error: AerakiError) => void
  /** For tests. */
  readonly program?: URL | undefined
}

export class WorkerThread {
  readonly #options: ThreadOptions
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #orders: Order[] = []
  #lastCall = 0
  #ready: (() => void) | undefined
  /** Why it answers nothing any more. */
  #failure: AerakiError | undefined
  #closing = false

  /** Rejects with `AerakiError` PROXY_WORKER_FAILED when it does not come up. */
  static start(options: ThreadOptions): Promise<WorkerThread> {
    return new Promise((resolve, reject) => {
      let failed: (error: AerakiError) => void = reject
      const thread = new WorkerThread({ ...options, onFailure: (error) => failed(error) })
      thread.#ready = () => {
        failed = options.onFailure
        resolve(thread)
      }
    })
  }

  private constructor(options: ThreadOptions) {
    this.#options = options
    this.#worker = new Worker(options.program ?? new URL('worker.ts', import.meta.url), {
      name: `worker ${options.index}`,
    })
    this.#worker.on('message', (word: Word) => this.#hear(word))
    this.#worker.on('error', (error: unknown) => this.#fail(error))
    this.#worker.on('messageerror', (error) => this.#fail(error))
    this.#worker.on('exit', (code) => this.#ended(code))
  }

  /** Orders of one turn of the event loop go in one message. */
  order(order: PlainOrder): void {
    this.#add(order)
  }

  /** Rejects with the `AerakiError` of the worker, or PROXY_WORKER_FAILED when it is no more. */
  async ask(question: PlainQuestion): Promise<void> {
    if (question.kind === 'close') this.#closing = true
    await this.#ask(question)
  }

  async report(): Promise<Report> {
    return (await this.#ask({ kind: 'report' })) as Report
  }

  #ask(question: Question): Promise<Report | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure)
        return
      }
      this.#lastCall += 1
      this.#waiting.set(this.#lastCall, { resolve, reject })
      this.#add({ ...question, call: this.#lastCall })
    })
  }

  #add(order: Order): void {
    this.#orders.push(order)
    if (this.#orders.length > 1) return
    setImmediate(() => {
      this.#worker.postMessage(this.#orders)
      this.#orders = []
    })
  }

  #hear(word: Word): void {
    switch (word.kind) {
      case 'ready':
        this.#ready?.()
        break
      case 'log':
        logRelayed(word.record)
        break
      case 'done':
        this.#take(word.call)?.resolve(word.report)
        break
      case 'failed':
        this.#take(word.call)?.reject(new AerakiError(word.code, word.message))
    }
  }

  #take(call: number): Waiting | undefined {
    const waiting = this.#waiting.get(call)
    this.#waiting.delete(call)
    return waiting
  }

  #ended(code: number): void {
    if (this.#closing) this.#refuse(new AerakiError('PROXY_WORKER_FAILED', `worker ${this.#options.index} is closed`))
    else this.#fail(new Error(`it ended with code ${code}`))
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return
    const reason = cause instanceof Error ? (cause.stack ?? String(cause)) : String(cause)
    const error = new AerakiError('PROXY_WORKER_FAILED', `worker ${this.#options.index} failed: ${reason}`, { cause })
    this.#refuse(error)
    this.#options.onFailure(error)
  }

  /** Nothing is answered any more. */
  #refuse(error: AerakiError): void {
    this.#failure ??= error
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure)
    this.#waiting.clear()
  }
}
