/**
 * What a verb is. `verbs.ts` has the table; each file under `verbs/` exports one `Command`, loaded only when it is asked for.
 */

export interface Option {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** Placeholder in the help, such as `HOST:PORT`. */
  readonly value?: string
  readonly default?: string
  /** The values that are allowed, when they are few. */
  readonly choices?: readonly string[]
  readonly help: string
}

export type Options = Readonly<Record<string, Option>>

export interface Arguments {
  /** Words that are no options, without the verb. */
  readonly words: readonly string[]
  /** The option's value or its default. */
  text(option: string): string | undefined
  flag(option: string): boolean
  /** Everything after the verb, as it was written. */
  readonly raw: readonly string[]
}

export interface Command {
  /** The words after the verb, such as `PATH...`; the empty string for none. */
  readonly operands: string
  readonly description: string
  readonly options: Options
  readonly examples: readonly string[]
  /** True for verbs that hand their options to another program, which knows them: unknown ones are not refused here. */
  readonly passThrough?: boolean
  /** Resolves with the exit code. Throws `UsageError` for a mistake on the command line. */
  run(args: Arguments): Promise<number>
}

/** What every verb has. */
export const commonOptions: Options = {
  'log-level': {
    type: 'string',
    value: 'LEVEL',
    choices: ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'],
    help: 'least severe log lines to write to stderr',
  },
  help: { type: 'boolean', short: 'h', help: 'explain the verb and exit' },
}
