/** This tree against another revision of it: both on Bun and on Node, in turn, in one run. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, realpathSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { aeraki } from './contenders/aeraki.ts'
import { root } from './machine.ts'
import { temporaryFolder } from './processes.ts'
import { contenderTable } from './report/tables.ts'
import { describe, runRequests } from './suites/requests.ts'
import type { Context } from './suites/suite.ts'

/** Returns the tables. Throws when git knows no such revision. */
export async function compare(context: Context, revision: string): Promise<string> {
  const commit = git('rev-parse', '--verify', '--short=12', `${revision}^{commit}`).trim()
  const checkout = join(temporaryFolder(), 'checkout')
  git('worktree', 'add', '--detach', '--quiet', checkout, commit)
  try {
    linkModules(checkout)
    const here = [aeraki('this tree on Bun', 'bun', root), aeraki('this tree on Node', 'node', root)]
    const there = [aeraki(`${commit} on Bun`, 'bun', checkout), aeraki(`${commit} on Node`, 'node', checkout)]
    const tables = await runRequests(context, [...there, ...here], ['dubbo', 'thrift'])
    return tables
      .map(({ wire, shape, rows }) => `${wire}, ${describe(shape)}\n\n${contenderTable(rows, here)}`)
      .join('\n\n')
  } finally {
    git('worktree', 'remove', '--force', checkout)
  }
}

function git(...args: readonly string[]): string {
  return execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' })
}

/** The packages of npm are this tree's; our own are the checkout's. */
function linkModules(checkout: string): void {
  const modules = join(root, 'node_modules')
  mkdirSync(join(checkout, 'node_modules/@aeraki'), { recursive: true })
  for (const name of readdirSync(modules)) {
    if (name === '@aeraki' || name.startsWith('.')) continue
    symlinkSync(realpathSync(join(modules, name)), join(checkout, 'node_modules', name))
  }
  for (const name of readdirSync(join(checkout, 'packages'))) {
    symlinkSync(join(checkout, 'packages', name), join(checkout, 'node_modules/@aeraki', name))
  }
  symlinkSync(join(checkout, 'testing'), join(checkout, 'node_modules/@aeraki/testing'))
}
