/** The command: finds the verb, reads its options, configures the log, runs it, and turns what went wrong into words. */
import { AerakiError } from '@aeraki/api/errors'
import { readArguments } from './arguments.ts'
import { overallHelp, verbHelp } from './help.ts'
import { configureLogging, DEFAULT_LOG_LEVEL } from './logging.ts'
import { didYouMean, UsageError } from './usage.ts'
import { verbs } from './verbs.ts'

const DONE = 0
const FAILED = 1
const USAGE = 2

/** Runs one command line, without `node` and the script. Resolves with the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  // A reader that stops early, as `head` does, is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(DONE)
    throw error
  })
  try {
    return await dispatch(args)
  } catch (error) {
    return explain(error)
  }
}

async function dispatch(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args
  if (first === undefined) {
    process.stderr.write(overallHelp())
    return USAGE
  }
  if (first === '--help' || first === '-h') return dispatch(['help', ...rest])
  if (first === '--version' || first === '-V') return dispatch(['version', ...rest])
  const verb = verbs.find((candidate) => candidate.name === first)
  if (verb === undefined) {
    if (first.startsWith('-')) throw new UsageError(`the verb comes first: aeraki VERB ${first}`)
    const names = verbs.map((candidate) => candidate.name)
    throw new UsageError(`unknown verb "${first}".${didYouMean(first, names)}`)
  }
  const { command } = await verb.load()
  const wantsHelp = rest.slice(0, rest.includes('--') ? rest.indexOf('--') : rest.length)
  if (wantsHelp.includes('--help') || wantsHelp.includes('-h')) {
    process.stdout.write(verbHelp(verb.name, command))
    return DONE
  }
  const parsed = readArguments(verb.name, command, rest)
  await configureLogging(parsed.text('log-level') ?? DEFAULT_LOG_LEVEL)
  return await command.run(parsed)
}

function explain(error: unknown): number {
  if (error instanceof UsageError) {
    const help = error.verb === undefined ? 'aeraki help' : `aeraki ${error.verb} --help`
    process.stderr.write(`aeraki: ${error.message}\nSee "${help}".\n`)
    return USAGE
  }
  if (error instanceof AerakiError) {
    process.stderr.write(`aeraki: ${error.message} (${error.code})\n`)
    return FAILED
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`aeraki: this is a bug in aeraki, please report it:\n${text}\n`)
  return FAILED
}
