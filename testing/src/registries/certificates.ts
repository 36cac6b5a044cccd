/** A certificate authority, and certificates of it for a server on 127.0.0.1 and a client, made by OpenSSL. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificates {
  /** Paths of PEM files. */
  readonly ca: string
  readonly server: KeyPair
  readonly client: KeyPair
  remove(): void
}

export interface KeyPair {
  readonly cert: string
  readonly key: string
}

export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-certificates-'))
  const file = (name: string): string => join(folder, name)
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    'req',
    '-x509',
    ...curve,
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=test CA',
  )
  const issue = (name: string): KeyPair => {
    const [key, cert, request, extensions] = ['key', 'pem', 'csr', 'ext'].map((end) => file(`${name}.${end}`)) as [
      string,
      string,
      string,
      string,
    ]
    openssl('req', ...curve, '-keyout', key, '-out', request, '-subj', `/CN=${name}`)
    writeFileSync(extensions, 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n')
    const authority = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial']
    openssl('x509', '-req', '-in', request, ...authority, '-out', cert, '-days', '2', '-extfile', extensions)
    return { cert, key }
  }
  return {
    ca: file('ca.pem'),
    server: issue('server'),
    client: issue('client'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' })
}
