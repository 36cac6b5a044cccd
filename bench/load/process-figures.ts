/** CPU time and memory of processes, from /proc. */
import { readFileSync } from 'node:fs'

/** USER_HZ is 100 on every Linux that there is a Bun or an Envoy for. */
const ticksPerSecond = 100

/** User and system time of all threads, ended ones too. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks / ticksPerSecond
}

export function memoryMb(pids: readonly number[]): number {
  let kb = 0
  for (const pid of pids) kb += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  return kb / 1024
}
