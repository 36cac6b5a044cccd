/** A node:test reporter that says at the end, loudly, what was skipped and why. With CI=true a skip is a failure. */
import type { TestEvent } from 'node:test/reporters'

export default async function* skips(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const skipped: string[] = []
  for await (const event of events) {
    if (event.type !== 'test:pass' || event.data.skip === undefined || event.data.skip === false) continue
    skipped.push(`${event.data.name}: ${event.data.skip === true ? 'no reason given' : event.data.skip}`)
  }
  if (skipped.length === 0) return
  yield `\nSKIPPED ${skipped.length}:\n`
  for (const line of skipped) yield `  ${line}\n`
  if (process.env['CI'] === 'true') {
    yield 'In CI nothing may be skipped.\n'
    process.exitCode = 1
  }
}
