/**
 * The proxy's process, on Node or on Bun:
 *
 *   node packages/proxy/src/main.ts --control-plane 127.0.0.1:15010 --node sidecar~127.0.0.1~web-1.default~default.svc.cluster.local
 *   bun packages/proxy/src/main.ts --bootstrap bootstrap.yaml
 *
 * Exit codes: 0 stopped by a signal, 1 failed, 2 wrong flags or a wrong bootstrap.
 */
import { getLogger } from '@logtape/logtape'
import { AerakiError } from '@aeraki/api/errors'
import { helpText, parseFlags } from './flags.ts'
import { LogLevels } from './log-levels.ts'
import { startProxy, type RunningProxy } from './start.ts'

const log = getLogger(['aeraki', 'proxy'])

async function main(args: readonly string[]): Promise<void> {
  const flags = parseFlags(args)
  if (flags.kind === 'help') {
    process.stdout.write(helpText())
    return
  }
  const logLevels = new LogLevels(flags.logLevel)
  const bun = process.versions['bun']
  const { bootstrap, intercept, statusAddress, concurrency } = flags
  log.info('aeraki proxy on {runtime}, process {pid}, {workers}', {
    runtime: bun === undefined ? `Node ${process.versions.node}` : `Bun ${bun}`,
    pid: process.pid,
    workers: concurrency === 1 ? 'one worker' : `${concurrency} workers`,
  })
  const starting = startProxy({ bootstrap, logLevels, intercept, statusAddress, concurrency, onFailure: fail })
  // Before it has started: its admin pages answer earlier than that, and whoever sees them may end it.
  stopOnSignals(starting, flags.drainMs)
  await starting
}

/** With a worker gone half of the connections are: whoever supervises this process is to start a whole proxy. */
function fail(error: AerakiError): void {
  log.fatal('{code}: {reason}', { code: error.code, reason: error.message })
  process.exit(1)
}

/** The first signal drains, the second one ends the process at once. */
function stopOnSignals(starting: Promise<RunningProxy>, drainMs: number): void {
  let stopping = false
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1)
    stopping = true
    log.info('{signal}: finishing requests in flight for at most {drainMs} ms', { signal, drainMs })
    starting
      .then((proxy) => proxy.close(drainMs))
      .then(
        () => process.exit(0),
        (error: unknown) => {
          log.error('stopped with an error: {error}', { error })
          process.exit(1)
        },
      )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof AerakiError)) throw error
  process.stderr.write(`${error.code}: ${error.message}\n`)
  const usage = /^PROXY_(FLAGS|CONCURRENCY|BOOTSTRAP|RESOURCE|LOG|SOCKETS)/.test(error.code)
  process.exitCode = usage ? 2 : 1
}
