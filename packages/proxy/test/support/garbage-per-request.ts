/**
 * Prints how many bytes of garbage a request leaves: node --expose-gc --min-semi-space-size=256
 * --max-semi-space-size=256 garbage-per-request.ts PROTOCOL. With so much room nothing is collected meanwhile, and what
 * the heap has grown by is what was allocated.
 */
import { dubboMessages, thriftMessages } from './hot-messages.ts'
import { HotPath } from './hot-path.ts'

const clients = 32
const roundsPerFigure = 400
const messages = process.argv[2] === 'thrift' ? thriftMessages : dubboMessages
const path = await HotPath.start(messages, clients)

async function bytesPerRound(round: () => Promise<void>): Promise<number> {
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  for (let count = 0; count < roundsPerFigure; count += 1) await round()
  return (process.memoryUsage().heapUsed - before) / roundsPerFigure
}

// Compilers are done when the second figure is taken.
let figure = 0
for (let pass = 0; pass < 4; pass += 1) figure = await bytesPerRound(() => path.round())
console.log(Math.round(figure / clients))
process.exit(0)
