/** A worker that fails a moment after it has come up. */
await import('../../src/workers/worker.ts')

setTimeout(() => {
  throw new Error('out of luck')
}, 50)
