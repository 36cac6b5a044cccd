/** What became of one provider's registration. */
import type { Registration, Rejection, RejectionCode, UnitContents } from './contract.ts'

export type Parsed =
  | { readonly kind: 'accepted'; readonly registration: Registration }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }
  /** It says that there is nothing, as Dubbo's `empty://` does. */
  | { readonly kind: 'nothing' }

/** Of what providers are called in status pages and logs. */
const longestProvider = 300

export function rejected(provider: string, code: RejectionCode, reason: string): Parsed {
  return { kind: 'rejected', rejection: { provider: shortened(provider), code, reason } }
}

export function shortened(provider: string): string {
  return provider.length <= longestProvider ? provider : `${provider.slice(0, longestProvider)}...`
}

export function collect(parsed: Iterable<Parsed>): UnitContents {
  const registrations: Registration[] = []
  const rejections: Rejection[] = []
  for (const each of parsed) {
    if (each.kind === 'accepted') registrations.push(each.registration)
    if (each.kind === 'rejected') rejections.push(each.rejection)
  }
  return { registrations, rejections }
}
