/** The picture for the README: CPU per request of every contender, one group of bars per protocol. */
import { isFailed } from '../figures.ts'
import type { RequestTable } from '../suites/requests.ts'
import { mainShape } from '../suites/suite.ts'

const width = 760
const labelWidth = 170
const barHeight = 22
const gap = 6
const titleHeight = 44
const barsWidth = width - labelWidth - 90

/** Undefined: there is nothing to draw. */
export function chart(tables: readonly RequestTable[]): string | undefined {
  const groups = tables
    .filter(({ shape }) => shape.payload === mainShape.payload && shape.depth === 1 && shape.connections === 32)
    .map(({ wire, rows }) => ({
      title: `${wire === 'dubbo' ? 'Dubbo' : 'Thrift'}: CPU of the proxy per request, microseconds`,
      bars: rows.flatMap(({ contender, cell }) =>
        isFailed(cell) || !(cell.cpuUs > 0) ? [] : [{ contender, value: cell.cpuUs }],
      ),
    }))
  if (groups.length === 0) return undefined
  const largest = Math.max(...groups.flatMap(({ bars }) => bars.map(({ value }) => value)))
  let y = 8
  const parts: string[] = []
  for (const { title, bars } of groups) {
    parts.push(`<text class="title" x="12" y="${y + 24}">${title}</text>`)
    y += titleHeight
    for (const { contender, value } of bars) {
      const length = Math.max(2, Math.round((value / largest) * barsWidth))
      const kind = contender.name.startsWith('Aeraki') ? 'own' : contender.layer === 4 ? 'layer4' : 'layer7'
      const middle = y + barHeight / 2 + 5
      parts.push(
        `<text x="${labelWidth - 8}" y="${middle}" text-anchor="end">${contender.name}</text>`,
        `<rect class="${kind}" x="${labelWidth}" y="${y}" width="${length}" height="${barHeight}" rx="3"/>`,
        `<text x="${labelWidth + length + 8}" y="${middle}">${value.toFixed(1)}</text>`,
      )
      y += barHeight + gap
    }
    y += 6
  }
  const legend =
    '1 KB requests and responses, 32 connections, one in flight on each, one worker. Less is better. Grey: layer 4, parses nothing.'
  parts.push(`<text class="legend" x="12" y="${y + 12}">${legend}</text>`)
  const height = y + 28
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="CPU per request of each proxy">
<style>
text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:14px}.legend{font-size:11px;fill:#57606a}
.own{fill:#1f883d}.layer7{fill:#bc4c00}.layer4{fill:#8c959f}
</style>
<rect width="${width}" height="${height}" rx="8" fill="#ffffff" stroke="#d0d7de"/>
${parts.join('\n')}
</svg>
`
}
