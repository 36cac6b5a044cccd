/**
 * Blocking queries: a query with the index of the last answer is answered when there is a newer one, or when its wait is
 * over. An answer does not have to differ. Indexes only grow, until the server is restored from a snapshot: then those
 * that wait for a newer one are told nothing until their wait is over.
 * https://developer.hashicorp.com/consul/api-docs/features/blocking
 */
import { type HttpClient, jsonOf } from '../util/http.ts'

export interface Query {
  /** Begins with a slash. */
  readonly path: string
  readonly parameters: Readonly<Record<string, string | undefined>>
  /** Of the last answer; 0 for the first query, which does not wait. */
  readonly index: number
  /** Milliseconds. */
  readonly wait: number
}

export interface QueryAnswer {
  /** For the next query. */
  readonly index: number
  /** It is lower than that of the last answer. */
  readonly wentBack: boolean
  /** Undefined: nothing is newer than the last answer. */
  readonly body: unknown
}

/** Milliseconds beyond the wait, which Consul itself stretches by up to a sixteenth. */
const patience = 15_000

/** Rejects with an Error for people. */
export async function runQuery(http: HttpClient, query: Query, signal: AbortSignal): Promise<QueryAnswer> {
  const { path, index, wait } = query
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query.parameters)) if (value !== undefined) parameters.set(name, value)
  if (index > 0) {
    parameters.set('index', String(index))
    parameters.set('wait', `${Math.round(wait)}ms`)
  }
  const timeout = (index > 0 ? wait + wait / 16 : 0) + patience
  const answer = await http.send({ path: `${path}?${parameters.toString()}`, timeout, signal })
  if (answer.status === 403) throw new Error('the ACL token is missing, unknown or may not read services')
  const next = indexOf(answer.headers['x-consul-index'])
  if (next === index && answer.status === 200) return { index, wentBack: false, body: undefined }
  const wentBack = next < index
  return { index: wentBack ? 0 : next, wentBack, body: jsonOf(answer, path) }
}

/** An index below 1 would make the next query answer at once, for ever. */
function indexOf(header: string | string[] | undefined): number {
  const index = Number(header)
  return Number.isFinite(index) && index >= 1 ? index : 1
}
