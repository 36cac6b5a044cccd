/** Where the log goes: stderr, one line a record, coloured on a terminal unless NO_COLOR is set. */
import { inspect } from 'node:util'
import {
  configure,
  getAnsiColorFormatter,
  getTextFormatter,
  parseLogLevel,
  type LogLevel,
  type LogRecord,
  type Sink,
} from '@logtape/logtape'

export const DEFAULT_LOG_LEVEL = 'info'

/** True when escape sequences are welcome on this stream (https://no-color.org). */
export function wantsColor(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'
}

export async function configureLogging(level: string): Promise<void> {
  const options = { timestamp: 'rfc3339', level: 'full', category: '.', value: wordOf } as const
  const format = wantsColor(process.stderr) ? getAnsiColorFormatter(options) : getTextFormatter(options)
  const stderr: Sink = (record: LogRecord) => {
    process.stderr.write(format(record))
  }
  await configure({
    reset: true,
    sinks: { stderr },
    loggers: [
      { category: 'aeraki', lowestLevel: lowestLevel(level), sinks: ['stderr'] },
      { category: ['logtape', 'meta'], lowestLevel: 'error', sinks: ['stderr'] },
    ],
  })
}

/** Text as it is, without quotes. */
function wordOf(value: unknown): string {
  return typeof value === 'string' ? value : inspect(value, { breakLength: Infinity })
}

/** The names are Envoy's, which the proxy has too. */
function lowestLevel(name: string): LogLevel | null {
  if (name === 'off') return null
  return name === 'critical' ? 'fatal' : parseLogLevel(name)
}
