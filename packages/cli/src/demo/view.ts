/** What the terminal shows of a running demo, as lines of text. Knows nothing of where they go. */
import { stripVTControlCharacters, styleText } from 'node:util'
import type { ConsumerReport, Latency } from './apps/messages.ts'
import { sumBy } from './scenario.ts'

/** All that is shown. */
export interface Picture {
  readonly scenario: string
  readonly summary: string
  readonly seconds: number
  /** Groups in the order in which they are shown, with where they stand. */
  readonly groups: readonly { readonly name: string; readonly state: 'up' | 'away' }[]
  /** What the consumer calls. */
  readonly address: string
  readonly runtime: string
  readonly report: ConsumerReport
  /** Calls answered a second, by group, lately. */
  readonly rates: Readonly<Record<string, number>>
  readonly reloads: number
  /** The rule's file, and what of it is in force. */
  readonly ruleFile: string
  readonly rule: readonly string[]
  /** Mistakes in the folder, as the control plane reports them. */
  readonly mistakes: readonly string[]
  /** What the demo is doing to the mesh just now, when it is. */
  readonly event: string
  readonly hint: string
}

export interface Style {
  readonly color: boolean
  /** Columns. Longer lines are cut. */
  readonly width: number
}

const BAR = 30

/** The live view: a full picture, drawn over the last one. */
export function drawPicture(picture: Picture, style: Style): string[] {
  const paint = painter(style)
  const { report } = picture
  const all = Object.values(picture.rates).reduce((sum, rate) => sum + rate, 0)
  const answered = sumBy(report.calls, (call) => call.group)
  const nameWidth = Math.max(5, ...picture.groups.map((group) => group.name.length))
  const row = (name: string, rate: string, share: string, bar: string, total: string, p50: string, p99: string) =>
    `  ${name.padEnd(nameWidth)} ${rate.padStart(9)} ${share.padStart(7)}  ${bar.padEnd(BAR)} ${total.padStart(10)} ` +
    `${p50.padStart(9)} ${p99.padStart(9)}`

  const rows = picture.groups.map(({ name, state }) => {
    const rate = picture.rates[name] ?? 0
    const share = all === 0 ? 0 : rate / all
    const bar = '█'.repeat(Math.round(share * BAR))
    const latency = rate === 0 ? undefined : report.recent[name]
    const percent = `${(share * 100).toFixed(1)}%`
    const line = row(name, rate.toFixed(0), percent, bar, String(answered[name] ?? 0), ...millisOf(latency))
    return state === 'away' ? paint('dim', `${line}  away`) : line.replace(bar, paint('cyan', bar))
  })
  const success = report.requests === 0 ? 100 : (100 * (report.requests - report.failed)) / report.requests
  const failed = report.failed === 0 ? 'failed 0' : paint('red', `failed ${report.failed}`)
  const dropped = report.connectionsDropped === 0 ? 'dropped 0' : paint('red', `dropped ${report.connectionsDropped}`)

  const lines = [
    `${paint('bold', `Aeraki demo: ${picture.scenario}`)}  ${picture.summary}`,
    paint(
      'dim',
      `consumer → proxy (${picture.runtime}) ${picture.address} → proxies → providers   ${clock(picture.seconds)}`,
    ),
    '',
    paint('dim', row('group', 'calls/s', 'share', '', 'calls', 'p50', 'p99')),
    ...rows,
    paint(
      'dim',
      row(
        'all',
        all.toFixed(0),
        '',
        '',
        String(report.requests),
        ...millisOf(all === 0 ? undefined : report.recentLatency),
      ),
    ),
    '',
    `  success ${success.toFixed(2)}%, ${failed}   reloads ${paint('bold', String(picture.reloads))}   ` +
      `connections opened ${report.connectionsOpened}, ${dropped}`,
    '',
    `  ${paint('bold', 'rule in force')}  ${picture.ruleFile}`,
    ...picture.rule.map((line) => `    ${paint('green', line)}`),
    ...picture.mistakes.map((line) => paint('yellow', `  ! ${line}`)),
    ...(picture.event === '' ? [] : ['', `  ${paint('magenta', picture.event)}`]),
    '',
    `  ${paint('bold', 'Try it:')} edit ${paint('bold', picture.ruleFile)}`,
    `          ${picture.hint}; the split changes when you save.`,
    paint('dim', '  Ctrl-C ends the demo and removes the folder.'),
  ]
  return lines.map((line) => cut(line, style.width))
}

/** One line, for logs and pipes. */
export function describePicture(picture: Picture): string {
  const { report } = picture
  const rates = picture.groups.map(({ name }) => `${name} ${(picture.rates[name] ?? 0).toFixed(0)}/s`).join(', ')
  const event = picture.event === '' ? '' : `; ${picture.event}`
  return (
    `${clock(picture.seconds)} ${rates}; failed ${report.failed}, p50 ${report.latency.p50.toFixed(2)} ms, ` +
    `p99 ${report.latency.p99.toFixed(2)} ms, reloads ${picture.reloads}, connections opened ` +
    `${report.connectionsOpened}, dropped ${report.connectionsDropped}${event}`
  )
}

function millisOf(latency: Latency | undefined): [string, string] {
  return [millis(latency?.p50), millis(latency?.p99)]
}

function millis(value: number | undefined): string {
  return value === undefined ? '-' : `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ms`
}

function clock(seconds: number): string {
  return `${seconds.toFixed(0)}s`.padStart(4)
}

function painter(style: Style): (format: Parameters<typeof styleText>[0], text: string) => string {
  return (format, text) => (style.color && text !== '' ? styleText(format, text, { validateStream: false }) : text)
}

/** Cuts to a width, counting what is seen: a line that wraps would break the drawing over the last picture. */
function cut(line: string, width: number): string {
  if (stripVTControlCharacters(line).length <= width) return line
  let seen = 0
  let at = 0
  while (at < line.length && seen < width - 1) {
    const escape = /^\p{Cc}\[[0-9;]*m/u.exec(line.slice(at))
    if (escape === null) seen++
    at += escape?.[0].length ?? 1
  }
  return `${line.slice(0, at)}…\u001b[0m`
}
