/** `aeraki registry status`: what the admin pages of a running bridge say, for people. */
import { AerakiError } from '@aeraki/api/errors'
import type { BridgeStatus, ProviderStatus, RegistryStatus } from '@aeraki/registries'

const mostShown = 100

/** 0 when all registries are connected, 1 when one is not or nobody answers. */
export async function printRegistryStatus({ host, port }: { host: string; port: number }): Promise<number> {
  const address = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  const status = await get<BridgeStatus>(`${address}/registries`)
  const rejected = await get<ProviderStatus[]>(`${address}/providers?state=rejected&limit=${mostShown + 1}`)
  process.stdout.write(formatStatus(status, rejected))
  return status.registries.every(({ connection }) => connection.kind === 'connected') ? 0 : 1
}

export function formatStatus(status: BridgeStatus, rejected: readonly ProviderStatus[]): string {
  const header = ['REGISTRY', 'TYPE', 'STATE', 'HOSTS', 'VANISHING', 'ACCEPTED', 'REJECTED', 'PENDING', 'HEARD']
  const rows = status.registries.map((registry) => [
    registry.name,
    registry.type,
    stateOf(registry),
    ...[registry.hosts, registry.vanishing, registry.accepted, registry.rejected, registry.pending].map(String),
    registry.silentSeconds === undefined ? 'never' : `${registry.silentSeconds.toFixed(1)} s ago`,
  ])
  const lines = [
    `${status.services} services, ${status.instances} instances; ${status.ready ? 'ready' : 'not ready'}`,
    '',
    ...table([header, ...rows]),
  ]
  for (const { name, connection } of status.registries) {
    if (connection.kind === 'disconnected') lines.push('', `${name}: ${connection.reason}`)
  }
  if (rejected.length > 0) lines.push('', 'Not in the mesh:')
  for (const { registry, provider, code, reason } of rejected.slice(0, mostShown)) {
    lines.push(`  ${registry}  ${provider}`, `      ${code ?? ''}: ${reason ?? ''}`)
  }
  if (rejected.length > mostShown) lines.push(`  ... and more: see /providers?state=rejected`)
  return `${lines.join('\n')}\n`
}

function stateOf({ connection, synced, stale }: RegistryStatus): string {
  if (stale) return `${connection.kind}, stale`
  return connection.kind === 'connected' && !synced ? 'reading' : connection.kind
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

async function get<T>(url: string): Promise<T> {
  let problem: unknown
  try {
    const response = await fetch(url)
    if (response.ok) return (await response.json()) as T
    problem = `HTTP status ${response.status}`
  } catch (error) {
    problem = error instanceof Error ? (error.cause ?? error) : error
  }
  const reason = problem instanceof Error ? problem.message : String(problem)
  throw new AerakiError('REGISTRY_STATUS', `${url}: ${reason}. Does "aeraki registry" run? Give its --admin.`)
}
