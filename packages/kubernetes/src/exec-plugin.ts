/**
 * Credentials from a program, as clusters of the cloud providers have it. What it printed is used until it expires.
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
import { execFile } from 'node:child_process'
import { isAbsolute, resolve } from 'node:path'
import { promisify } from 'node:util'
import { bearer, type Credentials } from './credentials.ts'
import { badConfig } from './errors.ts'

export interface ExecPlugin {
  readonly apiVersion?: string
  readonly command?: string
  readonly args?: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value: string }[]
  readonly provideClusterInfo?: boolean
  readonly installHint?: string
}

interface ExecContext {
  /** Of the kubeconfig: commands with a slash are relative to it. */
  readonly folder: string
  readonly refused: boolean
  readonly server: string
  readonly ca: string | undefined
}

interface ExecStatus {
  readonly token?: string
  readonly clientCertificateData?: string
  readonly clientKeyData?: string
  readonly expirationTimestamp?: string
}

const run = promisify(execFile)
const known = new WeakMap<ExecPlugin, { readonly credentials: Credentials; readonly expires: number }>()
/** Nobody sits here to type a password. */
const patienceMs = 60_000
/** New ones are asked for a little before the old ones expire. */
const earlyMs = 10_000

/** Throws `KUBERNETES_CONFIG`. */
export async function runExecPlugin(plugin: ExecPlugin, context: ExecContext): Promise<Credentials> {
  const kept = known.get(plugin)
  if (kept !== undefined && !context.refused && Date.now() < kept.expires - earlyMs) return kept.credentials
  const command = plugin.command ?? ''
  const path = command.includes('/') && !isAbsolute(command) ? resolve(context.folder, command) : command
  const apiVersion = plugin.apiVersion ?? 'client.authentication.k8s.io/v1'
  const cluster = { server: context.server, 'certificate-authority-data': base64(context.ca) }
  const info = {
    apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, ...(plugin.provideClusterInfo === true ? { cluster } : {}) },
  }
  const given = Object.fromEntries((plugin.env ?? []).map(({ name, value }) => [name, value]))
  const env = { ...process.env, ...given, KUBERNETES_EXEC_INFO: JSON.stringify(info) }
  let status: ExecStatus | undefined
  try {
    const { stdout } = await run(path, [...(plugin.args ?? [])], { env, timeout: patienceMs })
    status = (JSON.parse(stdout) as { status?: ExecStatus }).status
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw badConfig(
      `exec plugin ${path}`,
      `${reason}${plugin.installHint === undefined ? '' : `\n${plugin.installHint}`}`,
    )
  }
  if (status?.token === undefined && status?.clientCertificateData === undefined) {
    throw badConfig(`exec plugin ${path}`, 'it printed no ExecCredential with a token or a certificate')
  }
  const credentials = {
    headers: status.token === undefined ? {} : bearer(status.token).headers,
    cert: status.clientCertificateData,
    key: status.clientKeyData,
  }
  const expires = status.expirationTimestamp === undefined ? Infinity : Date.parse(status.expirationTimestamp)
  known.set(plugin, { credentials, expires })
  return credentials
}

function base64(text: string | undefined): string | undefined {
  return text === undefined ? undefined : Buffer.from(text).toString('base64')
}
