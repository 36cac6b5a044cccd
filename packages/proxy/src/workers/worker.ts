/** A worker: a data path on a thread of its own, which does as the main thread orders. */
import { parentPort, type MessagePort } from 'node:worker_threads'
import { AerakiError } from '@aeraki/api/errors'
import { createRuntime } from '../create-runtime.ts'
import type { InterceptSockets } from '../intercept/sockets.ts'
import type { EndpointSnapshot } from '../runtime.ts'
import { relayLog } from './log-relay.ts'
import type { EndpointNumbers, Order, Question, Report, Word } from './messages.ts'
import { StatsReporter } from './stats-report.ts'

/** Takes orders from now on, until it is told to close. */
function work(port: MessagePort): void {
  const worker = new Worker(port)
  port.on('message', (orders: readonly Order[]) => worker.obey(orders))
  worker.say({ kind: 'ready' })
}

class Worker {
  readonly #port: MessagePort
  readonly #runtime = createRuntime({ reusePort: true })
  readonly #reporter = new StatsReporter(this.#runtime.stats)
  #intercepting: InterceptSockets | undefined

  constructor(port: MessagePort) {
    this.#port = port
    relayLog((record) => this.say({ kind: 'log', record }))
  }

  obey(orders: readonly Order[]): void {
    for (const order of orders) this.#obey(order)
  }

  say(word: Word): void {
    this.#port.postMessage(word)
  }

  #obey(order: Order): void {
    switch (order.kind) {
      case 'set-route-table':
        return this.#runtime.setRouteTable(order.table)
      case 'remove-route-table':
        return this.#runtime.removeRouteTable(order.name)
      case 'set-cluster':
        return this.#runtime.setCluster(order.cluster)
      case 'remove-cluster':
        return this.#runtime.removeCluster(order.name)
      case 'set-endpoints':
        return this.#runtime.setEndpoints(order.endpoints)
      case 'remove-endpoints':
        return this.#runtime.removeEndpoints(order.name)
      case 'serve-intercepted':
        return this.#intercepting?.serve(order.listeners)
      default:
        this.#answer(order.call, order)
    }
  }

  #answer(call: number, question: Question): void {
    this.#do(question).then(
      () => {
        const report = question.kind === 'report' ? this.#report() : undefined
        this.say({ kind: 'done', call, report })
        // The thread ends when nothing keeps it.
        if (question.kind === 'close') this.#port.close()
      },
      (error: unknown) => {
        // What is no AerakiError is a defect, and no worker goes on after one.
        if (!(error instanceof AerakiError)) throw error
        this.say({ kind: 'failed', call, code: error.code, message: error.message })
      },
    )
  }

  async #do(question: Question): Promise<void> {
    switch (question.kind) {
      case 'set-listener':
        return this.#runtime.setListener(question.config)
      case 'remove-listener':
        return this.#runtime.removeListener(question.name, question.drainMs)
      case 'intercept':
        this.#intercepting = await this.#runtime.intercept(question.port)
        return undefined
      case 'stop-intercepting':
        return this.#intercepting?.close()
      case 'close':
        return this.#runtime.close(question.graceMs)
      case 'applied':
      case 'report':
    }
  }

  #report(): Report {
    const { listeners, clusters } = this.#runtime.snapshot()
    const connections = new Map<string, number>()
    for (const listener of listeners) {
      if (listener.connections > 0) connections.set(listener.config.name, listener.connections)
    }
    const endpoints = new Map<string, readonly EndpointNumbers[]>()
    for (const cluster of clusters) {
      const used = cluster.endpoints.filter(isUsed)
      if (used.length > 0) endpoints.set(cluster.config.name, used.map(numbersOf))
    }
    const intercepted = this.#intercepting && { ...this.#intercepting.stats }
    return { connections, endpoints, stats: this.#reporter.report(), intercepted }
  }
}

function isUsed({ connections, totalRequests, health }: EndpointSnapshot): boolean {
  return connections > 0 || totalRequests > 0 || health === 'ejected'
}

function numbersOf(endpoint: EndpointSnapshot): EndpointNumbers {
  const { address, connections, activeRequests, totalRequests, failedRequests, health } = endpoint
  return { address, connections, activeRequests, totalRequests, failedRequests, ejected: health === 'ejected' }
}

if (parentPort !== null) work(parentPort)
