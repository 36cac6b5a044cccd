/** TLS to a registry, the same for all of them. */
import { readFileSync } from 'node:fs'
import { AerakiError } from '@aeraki/api'
import { closed } from '@aeraki/api/schema'
import { type Static, Type } from 'typebox'

/** `tls: {}` is TLS with the authorities that Node trusts. */
export const tlsSettings = closed({
  ca: Type.Optional(Type.String({ description: 'PEM file of the authorities to trust instead' })),
  cert: Type.Optional(Type.String({ description: 'PEM file of the certificate to show' })),
  key: Type.Optional(Type.String({ description: 'PEM file of its private key' })),
  serverName: Type.Optional(Type.String({ description: "name in the server's certificate; default: the server's" })),
  insecureSkipVerify: Type.Optional(Type.Boolean({ description: 'accept every certificate' })),
})
export type TlsSettings = Static<typeof tlsSettings>

/** As `node:tls` takes them. Undefined stays undefined: no TLS. */
export interface TlsOptions {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
  readonly servername?: string
  readonly rejectUnauthorized: boolean
}

/** Reads the files, at each call: a connection after a rotation has the new ones. @throws AerakiError REGISTRY_TLS */
export function loadTls(settings: TlsSettings): TlsOptions
export function loadTls(settings: TlsSettings | undefined): TlsOptions | undefined
export function loadTls(settings: TlsSettings | undefined): TlsOptions | undefined {
  if (settings === undefined) return undefined
  const { ca, cert, key, serverName, insecureSkipVerify } = settings
  return {
    ...(ca === undefined ? {} : { ca: readPem(ca) }),
    ...(cert === undefined ? {} : { cert: readPem(cert) }),
    ...(key === undefined ? {} : { key: readPem(key) }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    rejectUnauthorized: insecureSkipVerify !== true,
  }
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new AerakiError('REGISTRY_TLS', `${path}: ${reason}. Check the path in tls.`, { cause })
  }
}
