/** `/logging`. */
import { AerakiError } from '@aeraki/api/errors'
import type { LogLevels } from '../log-levels.ts'
import { textPage, type AdminContext, type Page } from './context.ts'

export function loggingPage(context: AdminContext): Page {
  return list(managed(context))
}

/** `?level=debug` for all, `?xds=debug` for one. */
export function changeLogging(context: AdminContext, query: URLSearchParams): Page {
  const levels = managed(context)
  const changes = [...query]
  if (changes.length === 0) {
    throw new AerakiError(
      'PROXY_LOGGER_UNKNOWN',
      'nothing to change: give ?level=LEVEL for all, or ?NAME=LEVEL for one',
    )
  }
  for (const [name, level] of changes) levels.set(name === 'level' ? undefined : name, level)
  return list(levels)
}

function managed(context: AdminContext): LogLevels {
  if (context.logLevels !== undefined) return context.logLevels
  throw new AerakiError('PROXY_LOGGER_UNKNOWN', 'the log belongs to the program that this proxy runs in')
}

function list(levels: LogLevels): Page {
  return textPage(`active loggers:\n${[...levels.list()].map(([name, level]) => `  ${name}: ${level}`).join('\n')}`)
}
