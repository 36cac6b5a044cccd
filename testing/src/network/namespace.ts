/** A network namespace of a test's own: loopback, and a route for every other address, so that VIPs can be called. */
import { execFileSync, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { randomBytes } from 'node:crypto'

export interface NetworkNamespace {
  readonly name: string
  /** What stands before a command that is to run in it. */
  readonly prefix: readonly string[]
  run(command: string, args: readonly string[]): string
  spawn(command: string, args: readonly string[], options?: SpawnOptions): ChildProcess
  /** Ends every process in it. */
  remove(): void
}

function ip(...args: readonly string[]): string {
  return execFileSync('/usr/sbin/ip', args, { encoding: 'utf8' })
}

/** Needs root and ip(8). */
export function createNetworkNamespace(): NetworkNamespace {
  const name = `aeraki-${randomBytes(4).toString('hex')}`
  const prefix = ['/usr/sbin/ip', 'netns', 'exec', name]
  const run = (command: string, args: readonly string[]): string => ip('netns', 'exec', name, command, ...args)
  ip('netns', 'add', name)
  try {
    run('/usr/sbin/ip', ['link', 'set', 'lo', 'up'])
    // Packets to a VIP need a route before the nat table sees them; where it leads does not matter.
    for (const command of [
      'link add vip0 type veth peer name vip1',
      'address add 10.99.0.1/24 dev vip0',
      '-6 address add 2001:db8:99::1/64 dev vip0 nodad',
      'link set vip0 up',
      'link set vip1 up',
      'route add default dev vip0',
      '-6 route add default dev vip0',
    ]) {
      run('/usr/sbin/ip', command.split(' '))
    }
  } catch (error) {
    ip('netns', 'delete', name)
    throw error
  }
  return {
    name,
    prefix,
    run,
    spawn: (command, args, options = {}) => spawn('/usr/sbin/ip', ['netns', 'exec', name, command, ...args], options),
    remove: () => {
      const pids = ip('netns', 'pids', name)
        .split('\n')
        .filter((pid) => pid !== '')
      for (const pid of pids) process.kill(Number(pid), 'SIGKILL')
      ip('netns', 'delete', name)
    },
  }
}

/** A cable between two of them, with an address at each end. */
export function link(a: NetworkNamespace, addressA: string, b: NetworkNamespace, addressB: string): void {
  const id = randomBytes(4).toString('hex')
  const ends = [
    { namespace: a, address: addressA, device: `a${id}` },
    { namespace: b, address: addressB, device: `b${id}` },
  ] as const
  ip('link', 'add', ends[0].device, 'netns', a.name, 'type', 'veth', 'peer', 'name', ends[1].device, 'netns', b.name)
  for (const { namespace, address, device } of ends) {
    namespace.run('/usr/sbin/ip', ['address', 'add', `${address}/24`, 'dev', device])
    namespace.run('/usr/sbin/ip', ['link', 'set', device, 'up'])
  }
}
