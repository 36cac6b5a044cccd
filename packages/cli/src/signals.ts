/** Resolves when the user or the system asks this process to end. A second signal ends it at once. */
export async function untilTerminated(): Promise<NodeJS.Signals> {
  return await new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve(signal))
  })
}
