/** What the demo asks the control plane's admin pages. */

/** Mistakes in the folder, one line each. */
export async function mistakesIn(_adminAddress: string): Promise<string[]> {
  return []
}
