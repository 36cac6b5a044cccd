/** The seed talk's early form of a MetaRouter. */
import type { Report } from './report.ts'

export const earlyGroup = 'networking.aeraki.io'

export function isEarlyVirtualService(value: Record<string, unknown>): boolean {
  return value['apiVersion'] === `${earlyGroup}/v1alpha1` && value['kind'] === 'VirtualService'
}

export function convertEarlyVirtualService(value: Record<string, unknown>, report: Report): Record<string, unknown>[] {
  void [value, report]
  return []
}
