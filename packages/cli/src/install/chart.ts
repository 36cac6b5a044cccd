/** The Helm chart as objects: its custom resource definitions, then its templates with values put in. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Diagnostic, loadSettings } from '@aeraki/api'
import { parseAllDocuments, stringify } from 'yaml'
import { renderTemplate } from './template.ts'

export const chartFolder = fileURLToPath(new URL('../../../../manifests/charts/aeraki', import.meta.url))

export type Values = Readonly<Record<string, unknown>>
export type Manifest = Readonly<Record<string, unknown>>

/** A text with values: a file, or what stood on the command line. */
export interface ValuesText {
  readonly name: string
  readonly text: string
}

export interface Chart {
  /** Defaults, with what the texts say put over them, the last first. */
  readonly values: Values
  readonly diagnostics: readonly Diagnostic[]
  /** In the order in which a cluster can take them. Valid only where there is no error among the diagnostics. */
  readonly render: (namespace: string) => Manifest[]
}

export function loadChart(texts: readonly ValuesText[]): Chart {
  const schema = JSON.parse(readChart('values.schema.json')) as object
  const defaults = { name: 'values.yaml', text: readChart('values.yaml') }
  const loaded = [defaults, ...texts].map(({ name, text }) => loadSettings(text, name, schema))
  const values = loaded.reduce<Values>((merged, { value }) => merge(merged, value), {})
  return {
    values,
    diagnostics: loaded.flatMap(({ diagnostics }) => diagnostics),
    render: (namespace) => [...crds(), ...templates({ Values: values, Release: { Namespace: namespace } })],
  }
}

function readChart(name: string): string {
  return readFileSync(join(chartFolder, name), 'utf8')
}

/** `yaml`: a document each; `json`: one `List`. */
export function printManifests(manifests: readonly Manifest[], format: 'yaml' | 'json'): string {
  if (format === 'json') return `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests }, null, 2)}\n`
  return manifests.map((each) => stringify(each, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n')
}

function crds(): Manifest[] {
  return manifestsIn('crds', (text) => text)
}

function templates(context: unknown): Manifest[] {
  return manifestsIn('templates', (text) => renderTemplate(text, context)).toSorted((a, b) => rank(a) - rank(b))
}

function manifestsIn(folder: string, render: (text: string) => string): Manifest[] {
  const files = readdirSync(join(chartFolder, folder)).filter((name) => name.endsWith('.yaml'))
  return files.toSorted().flatMap((name) => {
    const text = render(readChart(join(folder, name)))
    return parseAllDocuments(text).flatMap((document) => {
      const value: unknown = document.toJS()
      return isMap(value) ? [value] : []
    })
  })
}

/** What others refer to comes first. */
const kinds = ['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding', 'Service', 'Deployment']

function rank({ kind }: Manifest): number {
  const at = kinds.indexOf(String(kind))
  return at === -1 ? kinds.length : at
}

/** As Helm: maps are put over maps, everything else in place of what was there. */
function merge(below: Values, above: Values): Values {
  const merged: Record<string, unknown> = { ...below }
  for (const [key, value] of Object.entries(above)) {
    const old = merged[key]
    merged[key] = isMap(old) && isMap(value) ? merge(old, value) : value
  }
  return merged
}

function isMap(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
