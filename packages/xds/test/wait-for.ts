/** Polls until `condition` gives something else than undefined, null or false, and returns that. */
export async function waitFor<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = 60_000,
): Promise<Exclude<T, undefined | null | false>> {
  const end = performance.now() + timeoutMs
  let failure: unknown
  for (;;) {
    try {
      const value = await condition()
      if (value !== undefined && value !== null && value !== false) return value as Exclude<T, undefined | null | false>
    } catch (error) {
      failure = error
    }
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`, { cause: failure })
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
