/** Application protocol -> the port of the service. */

export interface PortNaming {
  /** As Istio and Aeraki read the protocol out of it. */
  readonly name: string
  /** Istio's. */
  readonly protocol: string
  /** What the service's port is where its instances do not agree on one. */
  readonly usual: number
}

const known: Readonly<Record<string, PortNaming>> = {
  dubbo: { name: 'tcp-metaprotocol-dubbo', protocol: 'TCP', usual: 20_880 },
  thrift: { name: 'tcp-metaprotocol-thrift', protocol: 'TCP', usual: 9090 },
  tri: { name: 'grpc-tri', protocol: 'GRPC', usual: 50_051 },
  grpc: { name: 'grpc', protocol: 'GRPC', usual: 50_051 },
  rest: { name: 'http-rest', protocol: 'HTTP', usual: 8080 },
  hessian: { name: 'http-hessian', protocol: 'HTTP', usual: 8080 },
  http: { name: 'http', protocol: 'HTTP', usual: 80 },
  http2: { name: 'http2', protocol: 'HTTP2', usual: 80 },
  https: { name: 'https', protocol: 'HTTPS', usual: 443 },
  tcp: { name: 'tcp', protocol: 'TCP', usual: 80 },
}

/** Which of a host's protocols comes first: this order, then the alphabet. */
const precedence = Object.keys(known)

/** `protocol` is lower case. A name like `tcp-metaprotocol-qux` stands for itself. */
export function namePort(protocol: string): PortNaming {
  const found = known[protocol]
  if (found !== undefined) return found
  if (/^tcp-[a-z0-9-]+$/.test(protocol)) return { name: protocol, protocol: 'TCP', usual: 80 }
  return { name: `tcp-${protocol}`, protocol: 'TCP', usual: 80 }
}

export function compareProtocols(a: string, b: string): number {
  const [left, right] = [precedence.indexOf(a), precedence.indexOf(b)]
  if (left !== right) return (left < 0 ? precedence.length : left) - (right < 0 ? precedence.length : right)
  return a < b ? -1 : a > b ? 1 : 0
}

/** What can be the name of a protocol, as it becomes part of a port's name. */
export function isProtocolName(text: string): boolean {
  return /^[a-z]([a-z0-9+-]{0,30}[a-z0-9])?$/.test(text) && !text.includes('+')
}
