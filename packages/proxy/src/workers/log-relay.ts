/** Workers' log records go to the log of the main thread, which knows the levels and where to write. */
import { inspect } from 'node:util'
import { configureSync, getLogger, type LogRecord, type Sink } from '@logtape/logtape'

/** In a worker: everything that is logged goes to `send`, as something that can be cloned. */
export function relayLog(send: (record: LogRecord) => void): void {
  const sink: Sink = (record) => send(cloneable(record))
  configureSync({
    reset: true,
    sinks: { main: sink },
    loggers: [
      { category: ['logtape', 'meta'], lowestLevel: 'warning', sinks: ['main'] },
      { category: ['aeraki'], lowestLevel: 'trace', sinks: ['main'] },
    ],
  })
}

/** In the main thread: logs what a worker has sent. */
export function logRelayed({ category, ...record }: LogRecord): void {
  getLogger(category).emit(record)
}

function cloneable(record: LogRecord): LogRecord {
  const { category, level, message, rawMessage, timestamp, properties } = record
  return {
    category,
    level,
    timestamp,
    message: message.map(cloneableValue),
    rawMessage: String(rawMessage),
    properties: Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, cloneableValue(value)])),
  }
}

/** Errors lose their class and code on the way, functions can't go at all: the stack and the text say all there is. */
function cloneableValue(value: unknown): unknown {
  if (value instanceof Error) return value.stack ?? String(value)
  return typeof value === 'object' || typeof value === 'function' ? inspect(value) : value
}
