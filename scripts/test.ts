/**
 * Runs every test: `npm test`, or `npm test -- packages/xds` for those whose path contains the words.
 * Installs first what the interop suites need (scripts/peers.ts). `--no-install` leaves that out. `--cluster`, which is
 * `npm run test:cluster`: the suites in folders called `cluster` instead, which need a real Kubernetes API server.
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installPeers } from './peers.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const args = process.argv.slice(2)
const words = args.filter((arg) => !arg.startsWith('--'))

const cluster = args.includes('--cluster')
const missing = args.includes('--no-install') ? [] : installPeers({ cluster })
const files = globSync(['packages/*/test/**/*.test.ts', 'scripts/test/*.test.ts'], { cwd: root })
  .filter((file) => file.includes('/test/cluster/') === cluster)
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .toSorted()
if (files.length === 0) {
  console.error(`no test file matches ${words.join(' ')}`)
  process.exit(2)
}

const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout']
/** A hung test fails by itself, with its name. Milliseconds; the longest suite takes two minutes. */
const timeout = '--test-timeout=300000'
const skips = [`--test-reporter=${join(root, 'scripts/skips.ts')}`, '--test-reporter-destination=stderr']
const result = spawnSync(
  process.execPath,
  ['--test', '--test-concurrency=2', timeout, ...reporters, ...skips, ...files],
  {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  },
)
for (const { what, why } of missing) console.error(`MISSING PEER ${what}\n  ${why}`)
process.exitCode = result.status ?? 1
