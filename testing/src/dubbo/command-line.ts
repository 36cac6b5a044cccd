/** How the npm peers are driven; the same as testing/dubbo-java's Options and Consumer. */
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import type { DubboCall, DubboMethod } from './peers.ts'

export function option(name: string, fallback: string): string {
  const { values } = parseArgs({ options: { [name]: { type: 'string' } }, strict: false, args: process.argv.slice(2) })
  const value = values[name]
  return typeof value === 'string' ? value : fallback
}

export function print(line: object): void {
  console.log(JSON.stringify(line))
}

/** The process ends with its stdin. */
export function endWithStdin(): void {
  process.stdin.once('end', () => process.exit(0))
  process.stdin.resume()
}

/** Does what stdin says: `METHOD COUNT THREADS [KEY=VALUE ...]` a line, separated by tabs. */
export async function serveCommands(
  call: (method: DubboMethod, attachments: Readonly<Record<string, string>>) => Promise<DubboCall>,
): Promise<void> {
  print({ ready: true })
  for await (const line of createInterface({ input: process.stdin })) {
    const [method, count, threads, ...pairs] = line.split('\t')
    const attachments = Object.fromEntries(
      pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
    )
    let left = Number(count)
    const worker = async (): Promise<void> => {
      while (left > 0) {
        left -= 1
        try {
          print(await call(method as DubboMethod, attachments))
        } catch (error) {
          print({ error: error instanceof Error ? error.message : String(error), type: (error as Error).name })
        }
      }
    }
    await Promise.all(Array.from({ length: Number(threads) }, worker))
    print({ done: Number(count) })
  }
  process.exit(0)
}
