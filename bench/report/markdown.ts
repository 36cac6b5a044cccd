/** bench/RESULTS.md */
import { aerakiBun, aerakiNode } from '../contenders/aeraki.ts'
import { isFailed } from '../figures.ts'
import { describe } from '../suites/requests.ts'
import type { Curve } from '../suites/scaling.ts'
import { goalsOf } from './goals.ts'
import type { Results } from './results.ts'
import { contenderTable, cpu, rate, table, thousands, workerTable } from './tables.ts'

const names = { dubbo: 'Dubbo', thrift: 'Thrift' } as const
const ours = [aerakiBun, aerakiNode]

export function markdown(results: Results): string {
  return `${[
    ...head(results),
    ...goals(results),
    ...requests(results),
    ...crowd(results),
    ...workers(results),
    ...latency(results),
    ...footprint(results),
    ...scaling(results),
    ...changes(results),
    ...controlPlane(results),
    ...failures(results),
  ].join('\n\n')}\n`
}

function head({ machine, plan, command, startedAt, minutes }: Results): readonly string[] {
  const { cpu: model, cores, memoryGb, kernel, versions, revision, load } = machine
  const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return [
    '# Benchmark results',
    `Written by \`${command}\` (${plan.name}, ${minutes.toFixed(1)} minutes) on ${startedAt.toISOString().slice(0, 16).replace('T', ' ')} UTC; what is measured and how: [docs/performance.md](../docs/performance.md).`,
    table(
      ['', ''],
      [
        ['machine', `${model}, ${cores} cores, ${memoryGb} GiB, Linux ${kernel}`],
        ['load average before', load.toFixed(2)],
        ['software', software.join(', ')],
        ['revision', revision],
        ['pinning', 'the proxy on one core, load and backends on another; two workers: see there'],
        ['rounds', `${plan.rounds}, interleaved; figures are medians`],
      ],
    ),
  ]
}

function goals(results: Results): readonly string[] {
  const rows = goalsOf(results).map(({ figure, limit, value, met }) => [
    figure,
    limit,
    value ?? 'not measured',
    met === undefined ? '' : met ? 'met' : '**not met**',
  ])
  return ['## Goals', 'Ratios within this run, one worker each.', table(['figure', 'goal', 'measured', ''], rows)]
}

function requests({ requests: tables }: Results): readonly string[] {
  if (tables.length === 0) return []
  return [
    '## As much as it can do (closed loop)',
    'Echoed payloads. "ratio": CPU per request of ours divided by the row\'s; below 1 ours takes less. "> n": the proxy was not the bottleneck, it can do more than the load asked for (see "proxy busy" and "load busy"); CPU per request is the figure to compare. "direct" is what load, backend and kernel take without a proxy.',
    ...tables.flatMap(({ wire, shape, rows }) => [
      `### ${names[wire]}, ${describe(shape)}`,
      contenderTable(rows, ours),
    ]),
  ]
}

function crowd({ crowd: tables }: Results): readonly string[] {
  if (tables.length === 0) return []
  return [
    '## Many clients that ask much at once (closed loop)',
    'Each proxy alone, not interleaved. Those that have a connection to a server for each request under way open 16,384 of them.',
    ...tables.flatMap(({ wire, shape, rows }) => [
      `### ${names[wire]}, ${describe(shape)}`,
      contenderTable(rows, ours),
    ]),
  ]
}

function workers({ workers: tables, machine }: Results): readonly string[] {
  if (tables.length === 0) return []
  const spare = machine.cores > 2
  return [
    '## Two workers each (closed loop)',
    `Envoy \`--concurrency 2\`, HAProxy \`nbthread 2\`, ours \`--concurrency 2\`. ${
      spare
        ? 'The proxy has two cores of its own.'
        : 'The machine has two cores: the proxy may use both, one of them beside load and backends, so that requests per second are what such a machine gives, not what two cores could do.'
    } CPU per request is the figure to compare. "busy" is a share of one core. Ratios as above.`,
    ...tables.flatMap(({ wire, shape, rows }) => [`### ${names[wire]}, ${describe(shape)}`, workerTable(rows, ours)]),
  ]
}

function latency({ latency: tables }: Results): readonly string[] {
  if (tables.length === 0) return []
  return [
    '## Latency at a fixed rate (open loop)',
    'Every request has its time, and its latency counts from then. 1 KB, 32 connections.',
    ...tables.flatMap(({ wire, rate: perSecond, peer, rows }) => [
      `### ${names[wire]}, ${thousands(perSecond)} requests per second: half of what ${peer} can do`,
      contenderTable(rows, ours),
    ]),
  ]
}

function footprint({ footprint: all }: Results): readonly string[] {
  const rows = (['dubbo', 'thrift'] as const).flatMap((wire) =>
    all[wire].map(({ contender, startUpMs, restMb, loadMb }) => [
      `${contender.name}, ${names[wire]}`,
      thousands(startUpMs),
      restMb.toFixed(0),
      loadMb.toFixed(0),
    ]),
  )
  if (rows.length === 0) return []
  return [
    '## Start-up and memory',
    'Start-up: from the start of the process until it accepts a connection. Memory: resident; under load: 512 connections, 1 KB, as much as it can do for some seconds.',
    table(['proxy', 'start-up ms', 'MB at rest', 'MB under load'], rows),
  ]
}

function scaling({ scaling: curves }: Results): readonly string[] {
  if (curves.length === 0) return []
  return [
    '## Scaling',
    'Dubbo, 1 KB, 32 connections unless their number is the subject. CPU us/request (requests per second).',
    ...curves.flatMap((curve) => [`### ${titles[curve.of]}`, curveTable(curve)]),
  ]
}

const titles: Readonly<Record<Curve['of'], string>> = {
  routes: 'Routes: rules by method, of which the last one matches',
  endpoints: 'Endpoints',
  connections: 'Client connections',
}

function curveTable({ of, counts, lines }: Curve): string {
  const rows = lines.map(({ contender, cells }) => [
    contender.name,
    ...cells.map((cell) => (isFailed(cell) ? `failed: ${cell.failed}` : `${cpu(cell)} (${rate(cell)})`)),
  ])
  return table([of, ...counts.map(thousands)], rows)
}

function changes({ changes: tables }: Results): readonly string[] {
  if (tables.length === 0) return []
  return [
    '## Rule changes under load',
    'Route tables of ten rules pushed over xDS so many times per second, while clients send as much as the proxy can do (Dubbo, 1 KB, 32 connections); each cell is CPU us/request, p99, and how many versions per second the proxy took.',
    table(
      ['changes per second', ...(tables[0]?.rows.map(({ perSecond }) => thousands(perSecond)) ?? [])],
      tables.map(({ proxy, rows }) => [
        proxy,
        ...rows.map(({ cell, accepted }) =>
          isFailed(cell)
            ? `failed: ${cell.failed}`
            : `${cpu(cell)} us, p99 ${thousands(cell.p99Us)} us, ${thousands(accepted)}/s`,
        ),
      ]),
    ),
  ]
}

function controlPlane({ controlPlane: all }: Results): readonly string[] {
  if (all === undefined) return []
  return [
    '## Control plane',
    'A rule of one service is changed in its file. In force: from before the write until a request through a real proxy goes where the new rule says. Last client: until the last of the other proxies (xDS clients that subscribe to the changed route table and nine others) has the new version. Medians. CPU: of the control plane per change.',
    table(
      ['services', 'proxies', 'in force ms', 'last client ms', 'CPU ms/change', 'control plane MB'],
      all.rows.map((row) => [
        thousands(row.services),
        thousands(row.proxies),
        row.inForceMs.toFixed(0),
        row.lastClientMs === undefined ? '' : row.lastClientMs.toFixed(0),
        row.cpuMs.toFixed(1),
        row.memoryMb.toFixed(0),
      ]),
    ),
    'Full synchronisation: a proxy that connects gets everything there is. Until live: every listener open.',
    table(
      ['services', 'control plane ready ms', 'proxy live ms', 'proxy MB', 'control plane MB'],
      all.syncs.map((row) => [
        thousands(row.services),
        thousands(row.readyMs),
        thousands(row.liveMs),
        row.proxyMb.toFixed(0),
        row.controlPlaneMb.toFixed(0),
      ]),
    ),
  ]
}

function failures({ failures: all }: Results): readonly string[] {
  return all.length === 0 ? [] : ['## What failed', all.map((text) => `- ${text}`).join('\n')]
}
