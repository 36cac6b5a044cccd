/** The process's log: text on stderr, with a level for each part of the proxy that `/logging` changes at run time. */
import { configureSync, getTextFormatter, type LogLevel, type Sink } from '@logtape/logtape'
import { AerakiError } from '@aeraki/api/errors'

/** Envoy's names. */
export const levelNames = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'] as const
export type LevelName = (typeof levelNames)[number]

/** What has a level of its own, and the categories that belong to it. */
const parts: Readonly<Record<string, readonly (readonly string[])[]>> = {
  main: [['aeraki'], ['aeraki', 'proxy']],
  admin: [['aeraki', 'proxy', 'admin']],
  config: [['aeraki', 'proxy', 'config']],
  dns: [['aeraki', 'proxy', 'dns']],
  intercept: [['aeraki', 'proxy', 'intercept']],
  downstream: [['aeraki', 'proxy', 'downstream']],
  upstream: [['aeraki', 'proxy', 'upstream']],
  xds: [
    ['aeraki', 'xds'],
    ['aeraki', 'proxy', 'xds'],
  ],
}

export class LogLevels {
  readonly #levels: Map<string, LevelName>
  readonly #sink: Sink

  /** Throws `AerakiError` PROXY_LOG_LEVEL_UNKNOWN. */
  constructor(level: string, sink: Sink = stderrSink()) {
    const known = levelName(level)
    this.#levels = new Map(Object.keys(parts).map((part) => [part, known]))
    this.#sink = sink
    this.#configure()
  }

  list(): ReadonlyMap<string, LevelName> {
    return this.#levels
  }

  /** @param part undefined: all. Throws `AerakiError` PROXY_LOG_LEVEL_UNKNOWN, PROXY_LOGGER_UNKNOWN. */
  set(part: string | undefined, level: string): void {
    const known = levelName(level)
    if (part !== undefined && !this.#levels.has(part)) {
      throw new AerakiError(
        'PROXY_LOGGER_UNKNOWN',
        `no logger "${part}": there are ${[...this.#levels.keys()].join(', ')}`,
      )
    }
    for (const each of part === undefined ? [...this.#levels.keys()] : [part]) this.#levels.set(each, known)
    this.#configure()
  }

  #configure(): void {
    configureSync({
      reset: true,
      sinks: { stderr: this.#sink },
      loggers: [
        { category: ['logtape', 'meta'], lowestLevel: 'warning', sinks: ['stderr'] },
        ...[...this.#levels].flatMap(([part, level]) =>
          // A level of a parent would silence its children, so each has the sink for itself.
          (parts[part] ?? []).map((category) => ({
            category: [...category],
            lowestLevel: logTapeLevel(level),
            sinks: ['stderr' as const],
            parentSinks: 'override' as const,
          })),
        ),
      ],
    })
  }
}

function levelName(level: string): LevelName {
  const alias: Readonly<Record<string, LevelName>> = { warn: 'warning', fatal: 'critical', none: 'off' }
  const known = levelNames.find((name) => name === level) ?? alias[level]
  if (known === undefined) {
    throw new AerakiError('PROXY_LOG_LEVEL_UNKNOWN', `no log level "${level}": give ${levelNames.join(', ')}`)
  }
  return known
}

function logTapeLevel(level: LevelName): LogLevel | null {
  if (level === 'off') return null
  return level === 'critical' ? 'fatal' : level
}

function stderrSink(): Sink {
  const format = getTextFormatter({ timestamp: 'rfc3339', level: 'full', category: '.', value: printed })
  return (record) => process.stderr.write(format(record))
}

/** Bare text, unless it could pass for lines of the log itself. */
function printed(value: unknown, inspect: (value: unknown) => string): string {
  return typeof value === 'string' && !/\p{Cc}/u.test(value) ? value : inspect(value)
}
