/** Tables of the results file. */
import { isFailed, type Cell, type Figures } from '../figures.ts'
import type { Contender } from '../contenders/contender.ts'

type Row = readonly string[]

export function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Ratios are ours to each peer's: below 1 we take less. */
export function contenderTable(
  rows: readonly { readonly contender: Contender; readonly cell: Cell }[],
  references: readonly Contender[],
): string {
  const { own, ratios } = ratiosTo(rows, references)
  const head = [
    'proxy',
    'CPU us/request',
    ...own.map(({ name }) => `${name}: ratio`),
    'requests/s',
    'p50 us',
    'p99 us',
    'p99.9 us',
    'MB',
    'proxy busy',
    'load busy',
  ]
  const body = rows.map(({ contender, cell }) => {
    if (isFailed(cell)) return [contender.name, `failed: ${cell.failed}`, ...Array<string>(head.length - 2).fill('')]
    return [contender.name, cpu(cell), ...ratios(cell), rate(cell), ...latencies(cell), memory(cell), ...busy(cell)]
  })
  return table(head, body)
}

/** The same for several workers: with cores shared, nobody can tell what was the bottleneck. */
export function workerTable(
  rows: readonly { readonly contender: Contender; readonly cell: Cell; readonly restMb: number }[],
  references: readonly Contender[],
): string {
  const { own, ratios } = ratiosTo(rows, references)
  const head = ['proxy', 'CPU us/request', ...own.map(({ name }) => `${name}: ratio`)]
  const more = ['requests/s', 'p50 us', 'p99 us', 'MB at rest', 'MB', 'proxy busy', 'load busy']
  const body = rows.map(({ contender, cell, restMb }) => {
    if (isFailed(cell)) {
      return [contender.name, `failed: ${cell.failed}`, ...Array<string>(own.length + more.length).fill('')]
    }
    const figures = [thousands(cell.perSecond), thousands(cell.p50Us), thousands(cell.p99Us), restMb.toFixed(0)]
    return [contender.name, cpu(cell), ...ratios(cell), ...figures, memory(cell), ...busy(cell)]
  })
  return table([...head, ...more], body)
}

/** Which of ours are there, and their CPU per request divided by a cell's. */
function ratiosTo(
  rows: readonly { readonly contender: Contender; readonly cell: Cell }[],
  references: readonly Contender[],
): { readonly own: readonly Contender[]; readonly ratios: (cell: Figures) => Row } {
  const cpuOf = (contender: Contender): number | undefined => {
    const cell = rows.find((row) => row.contender === contender)?.cell
    return cell === undefined || isFailed(cell) ? undefined : cell.cpuUs
  }
  const own = references.filter((contender) => rows.some((row) => row.contender === contender))
  return { own, ratios: (cell) => own.map((each) => divide(cpuOf(each), cell.cpuUs)) }
}

export function cpu({ cpuUs }: Figures): string {
  return Number.isFinite(cpuUs) && cpuUs > 0 ? cpuUs.toFixed(1) : ''
}

/** A proxy that had time left was not the bottleneck: it can do more. */
export function rate({ perSecond, proxyBusy }: Figures): string {
  const more = proxyBusy > 0 && proxyBusy < 0.93
  return `${more ? '> ' : ''}${thousands(perSecond)}`
}

export function latencies({ p50Us, p99Us, p999Us }: Figures): Row {
  return [p50Us, p99Us, p999Us].map(thousands)
}

export function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function memory({ memoryMb }: Figures): string {
  return memoryMb > 0 ? memoryMb.toFixed(0) : ''
}

function busy({ proxyBusy, loadBusy }: Figures): Row {
  return [proxyBusy > 0 ? percent(proxyBusy) : '', percent(loadBusy)]
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

function divide(a: number | undefined, b: number): string {
  return a === undefined || !(b > 0) ? '' : (a / b).toFixed(2)
}
