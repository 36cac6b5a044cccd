/**
 * The kernel's part of interception: a chain of our own in the nat table, which sends connections that local processes
 * open to a VIP to the proxy's port instead:
 *
 *   -A OUTPUT -p tcp -j AERAKI_OUTPUT
 *   -A AERAKI_OUTPUT -m owner --uid-owner <the proxy's, unless root> -j RETURN
 *   -A AERAKI_OUTPUT -d 193.193.192.192/32 -p tcp --dport 20880 -j REDIRECT --to-ports 15001
 *
 * The chain is replaced in one transaction, so that no connection slips through a change. Nothing else in the tables is
 * touched. One proxy with interception per network namespace: a second one would take over the chain.
 */
import { execFile } from 'node:child_process'
import { isIP } from 'node:net'
import { AerakiError } from '@aeraki/api/errors'
import type { Address } from '../config/model.ts'

export const chain = 'AERAKI_OUTPUT'

type Family = 'v4' | 'v6'
const commands: Readonly<Record<Family, string>> = { v4: 'iptables', v6: 'ip6tables' }
const families: readonly Family[] = ['v4', 'v6']
const jump = ['OUTPUT', '-p', 'tcp', '-j', chain]
/** Somebody else may hold the tables' lock. */
const wait = ['-w', '5']

export class RedirectRules {
  readonly #port: number
  readonly #installed = new Set<Family>()

  constructor(port: number) {
    this.#port = port
  }

  /** Rejects with `AerakiError` PROXY_INTERCEPT_FAILED. Call it again only when it has ended. */
  async set(addresses: readonly Address[]): Promise<void> {
    for (const family of families) {
      const own = addresses.filter(({ host }) => isIP(host) === (family === 'v4' ? 4 : 6))
      // A machine may have no IPv6 tables, and needs none without IPv6 VIPs.
      if (own.length === 0 && !this.#installed.has(family)) continue
      await run(`${commands[family]}-restore`, [...wait, '--noflush'], this.#table(own))
      if (this.#installed.has(family)) continue
      this.#installed.add(family)
      if (!(await succeeds(commands[family], [...wait, '-t', 'nat', '-C', ...jump]))) {
        await run(commands[family], [...wait, '-t', 'nat', '-I', ...jump])
      }
    }
  }

  /** Leaves the tables as they were. Never rejects: at the end of the process there is nobody to hear it. */
  async remove(): Promise<void> {
    for (const family of this.#installed) {
      for (const step of [
        ['-D', ...jump],
        ['-F', chain],
        ['-X', chain],
      ]) {
        await succeeds(commands[family], [...wait, '-t', 'nat', ...step])
      }
    }
    this.#installed.clear()
  }

  /** Naming the chain makes it, or empties it. */
  #table(addresses: readonly Address[]): string {
    const uid = process.getuid?.() ?? 0
    const rules = addresses.map(({ host, port }) => {
      return `-A ${chain} -d ${host} -p tcp --dport ${port} -j REDIRECT --to-ports ${this.#port}`
    })
    const own = uid === 0 ? [] : [`-A ${chain} -m owner --uid-owner ${uid} -j RETURN`]
    return ['*nat', `:${chain} - [0:0]`, ...own, ...rules, 'COMMIT', ''].join('\n')
  }
}

async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  )
}

function run(command: string, args: readonly string[], input = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, { timeout: 15_000 }, (error, _stdout, stderr) => {
      if (error === null) {
        resolve()
        return
      }
      const reason = stderr.trim() === '' ? error.message : stderr.trim()
      const remedy =
        'interception needs iptables, and root or CAP_NET_ADMIN; run without --intercept to use substitute addresses'
      reject(
        new AerakiError('PROXY_INTERCEPT_FAILED', `${command} ${args.join(' ')}: ${reason}; ${remedy}`, {
          cause: error,
        }),
      )
    })
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}
