/**
 * The layer-7 protocol of a service port.
 *
 *     port name   = "tcp-" native [ "-" free text ] | "tcp-metaprotocol-" protocol [ "-" free text ]
 *     appProtocol = "aeraki.io/" protocol
 *
 * `native` (any case) is one of the protocols that stock Envoy has a filter for; everything else is carried by the
 * MetaProtocol Proxy under the name of its codec, where case counts. appProtocol wins over the name.
 */

import { editDistance } from './nearest.ts'

export interface PortProtocol {
  /** `native`: stock Envoy has a filter of its own; `metaprotocol`: our proxy with a codec. */
  readonly form: 'native' | 'metaprotocol'
  /** `dubbo`, `thrift`, `redis`, ... */
  readonly protocol: string
}

export interface NamedPort {
  readonly name?: string | undefined
  readonly appProtocol?: string | undefined
  /** Istio's layer-4 name of it, such as TCP: does not matter here. */
  readonly protocol?: string | undefined
}

const native = new Set(['dubbo', 'thrift', 'redis', 'kafka', 'zookeeper', 'mongo', 'mysql', 'postgres'])
const metaprotocol = 'metaprotocol'
const appProtocolPrefix = 'aeraki.io/'

/** Undefined for a port that is not Aeraki's business. Never throws. */
export function protocolOfPort({ name, appProtocol }: NamedPort): PortProtocol | undefined {
  if (appProtocol?.startsWith(appProtocolPrefix) === true) {
    const protocol = appProtocol.slice(appProtocolPrefix.length)
    return protocol === '' ? undefined : { form: 'metaprotocol', protocol }
  }
  const [, second, third] = (name ?? '').split('-')
  const family = second?.toLowerCase()
  if (family === metaprotocol) {
    return third === undefined || third === '' ? undefined : { form: 'metaprotocol', protocol: third }
  }
  return family !== undefined && native.has(family) ? { form: 'native', protocol: family } : undefined
}

/** A port that says metaprotocol, or aeraki.io/, and then no protocol. */
export function lacksProtocol({ name, appProtocol }: NamedPort): boolean {
  if (appProtocol !== undefined && appProtocol.startsWith(appProtocolPrefix)) return appProtocol === appProtocolPrefix
  const [, second, third] = (name ?? '').split('-')
  return second?.toLowerCase() === metaprotocol && (third === undefined || third === '')
}

export interface Misspelling {
  readonly field: 'name' | 'appProtocol'
  readonly written: string
  readonly meant: string
}

/** A protocol that is one slip away from one with a name of its own here, such as `dubo`, and what was probably meant. */
export function misspelledProtocol({ name, appProtocol }: NamedPort): Misspelling | undefined {
  if (appProtocol?.startsWith(appProtocolPrefix) === true) {
    return misspelling('appProtocol', appProtocol.slice(appProtocolPrefix.length), [...native])
  }
  const [layer, second = '', third = ''] = (name ?? '').split('-')
  if (layer?.toLowerCase() !== 'tcp') return undefined
  return second.toLowerCase() === metaprotocol
    ? misspelling('name', third, [...native])
    : misspelling('name', second, [...native, metaprotocol])
}

function misspelling(field: Misspelling['field'], text: string, known: readonly string[]): Misspelling | undefined {
  const written = text.toLowerCase()
  if (known.includes(written)) return undefined
  const meant = known.find((protocol) => editDistance(written, protocol, 1) === 1)
  return meant === undefined ? undefined : { field, written, meant }
}
