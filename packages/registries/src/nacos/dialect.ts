/**
 * The two HTTP interfaces of Nacos: v1, which servers 1.x and 2.x have, and v3, which alone is open in servers 3.x. They
 * differ in paths, in the names of parameters, and in the envelope around the answer.
 * https://nacos.io/docs/v2.5/manual/user/open-api/  https://nacos.io/docs/v3.0/manual/admin/admin-api/
 */
import { isRecord } from '../guards.ts'

export interface ServiceName {
  /** Empty: the public one. */
  readonly namespace: string
  readonly group: string
  readonly service: string
}

export interface ServicePage {
  readonly total: number
  readonly services: readonly { readonly group: string; readonly service: string }[]
}

export interface ConfigPage {
  readonly total: number
  /** Some servers list them without what they hold. */
  readonly configs: readonly { readonly dataId: string; readonly content: string | undefined }[]
}

/** Paths to ask, below the context path, and what their answers mean. */
export interface Dialect {
  readonly login: string
  /** Statuses by which a login with a wrong user or password is answered. */
  readonly refusals: ReadonlySet<number>
  readonly namespaces: string
  /** One page of all groups. */
  services(namespace: string, page: number): string
  instances(name: ServiceName): string
  config(namespace: string, group: string, dataId: string): string
  /** One page of a group. */
  configs(namespace: string, group: string, page: number): string
  readNamespaces(answer: unknown): string[]
  /** @throws Error for people where it is nothing of the kind, like the next one */
  readServices(answer: unknown): ServicePage
  readInstances(answer: unknown): unknown[]
  readConfigs(answer: unknown): ConfigPage
  /** @param text of the whole answer */
  readConfig(text: string): string | undefined
}

/** Nacos 3 refuses larger ones. */
export const pageSize = 500

export const v1: Dialect = {
  login: '/v1/auth/login',
  refusals: new Set([401, 403]),
  namespaces: '/v1/console/namespaces',
  services: (namespaceId, pageNo) =>
    pathOf('/v1/ns/catalog/services', { withInstances: false, hasIpCount: false, namespaceId, pageNo, pageSize }),
  instances: ({ namespace, group, service }) =>
    pathOf('/v1/ns/instance/list', { namespaceId: namespace, groupName: group, serviceName: service }),
  config: (tenant, group, dataId) => pathOf('/v1/cs/configs', { tenant, group, dataId }),
  configs: (tenant, group, pageNo) =>
    pathOf('/v1/cs/configs', { search: 'accurate', tenant, group, dataId: '', pageNo, pageSize }),
  readNamespaces: (answer) => namespacesOf(fieldOf(answer, 'data')),
  readServices: (answer) => ({
    total: Number(fieldOf(answer, 'count')),
    services: servicesOf(fieldOf(answer, 'serviceList')),
  }),
  readInstances: (answer) => listOf(fieldOf(answer, 'hosts'), 'hosts'),
  readConfigs: configsOf,
  readConfig: (text) => text,
}

export const v3: Dialect = {
  login: '/v3/auth/user/login',
  // Where only the password is wrong it is the last one.
  refusals: new Set([401, 403, 500]),
  namespaces: '/v3/admin/core/namespace/list',
  services: (namespace, pageNo) =>
    pathOf('/v3/admin/ns/service/list', { namespaceId: namespace || 'public', pageNo, pageSize }),
  instances: ({ namespace, group, service }) =>
    pathOf('/v3/admin/ns/instance/list', {
      namespaceId: namespace || 'public',
      groupName: group,
      serviceName: service,
    }),
  config: (namespace, groupName, dataId) =>
    pathOf('/v3/client/cs/config', { namespaceId: namespace || 'public', groupName, dataId }),
  configs: (namespace, groupName, pageNo) =>
    pathOf('/v3/admin/cs/config/list', {
      search: 'accurate',
      namespaceId: namespace || 'public',
      groupName,
      dataId: '',
      pageNo,
      pageSize,
    }),
  readNamespaces: (answer) => namespacesOf(dataOf(answer)),
  readServices(answer) {
    const data = dataOf(answer)
    return { total: Number(fieldOf(data, 'totalCount')), services: servicesOf(fieldOf(data, 'pageItems')) }
  },
  readInstances: (answer) => listOf(dataOf(answer), 'data'),
  readConfigs: (answer) => configsOf(dataOf(answer)),
  readConfig(text) {
    const answer: unknown = JSON.parse(text)
    if (fieldOf(answer, 'code') === noResource) return undefined
    const content = fieldOf(dataOf(answer), 'content')
    return typeof content === 'string' ? content : undefined
  },
}

function pathOf(path: string, parameters: Readonly<Record<string, string | number | boolean>>): string {
  const pairs = Object.entries(parameters).map(([name, value]): [string, string] => [name, String(value)])
  return `${path}?${new URLSearchParams(pairs).toString()}`
}

/** The code by which v3, with status 200, says that there is no such configuration. */
const noResource = 20_004

/** v3 answers with status 200 even to what failed. */
function dataOf(answer: unknown): unknown {
  const code = fieldOf(answer, 'code')
  if (code !== 0) throw new Error(`Nacos answers with code ${String(code)}: ${String(fieldOf(answer, 'message'))}`)
  return fieldOf(answer, 'data')
}

function namespacesOf(list: unknown): string[] {
  return listOf(list, 'namespaces').flatMap((each) => {
    const id = fieldOf(each, 'namespace')
    return typeof id === 'string' ? [id === 'public' ? '' : id] : []
  })
}

function servicesOf(list: unknown): { group: string; service: string }[] {
  return listOf(list, 'services').flatMap((each) => {
    const [service, group] = [fieldOf(each, 'name'), fieldOf(each, 'groupName')]
    return typeof service === 'string' ? [{ service, group: typeof group === 'string' ? group : 'DEFAULT_GROUP' }] : []
  })
}

function configsOf(page: unknown): ConfigPage {
  const configs = listOf(fieldOf(page, 'pageItems'), 'configurations').flatMap((each) => {
    const [dataId, content] = [fieldOf(each, 'dataId'), fieldOf(each, 'content')]
    return typeof dataId === 'string' ? [{ dataId, content: typeof content === 'string' ? content : undefined }] : []
  })
  return { total: Number(fieldOf(page, 'totalCount')), configs }
}

function listOf(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw new Error(`the answer's ${what} are no list`)
  return value
}

function fieldOf(value: unknown, name: string): unknown {
  return isRecord(value) ? value[name] : undefined
}
