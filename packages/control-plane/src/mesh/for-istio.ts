/** Which findings about the mesh are of interest where Istio serves the proxies, and we write EnvoyFilters for it. */
import type { Report } from './findings.ts'
import type { Mesh } from './mesh.ts'

/** A VirtualService is our business only where it routes a port that is. */
export function isForIstio(mesh: Mesh): (report: Report) => boolean {
  const routes = new Set<string>()
  for (const { ports, rules } of mesh.services()) {
    if (ports.some(({ envoy }) => envoy !== undefined)) for (const { origin } of rules.routing) routes.add(origin.id)
  }
  return ({ about, finding }) =>
    finding.standalone !== true && (about.kind !== 'VirtualService' || routes.has(about.id))
}
