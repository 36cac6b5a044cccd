/** What one registers with at a real Nacos server, over HTTP, in the words of its release. */
import assert from 'node:assert/strict'
import type { NacosServer } from '@aeraki/testing'

export const credentials = { username: 'nacos', password: 'nacos' }

/** Nobody renews these: they hold for ten minutes. */
const patient = { 'preserved.heart.beat.timeout': '600000', 'preserved.ip.delete.timeout': '600000' }

interface Paths {
  readonly login: string
  readonly instance: string
  readonly namespace: string
  /** The name of the parameter that is a namespace's id, when it is made. */
  readonly newNamespace: string
}

const paths: Readonly<Record<2 | 3, Paths>> = {
  2: {
    login: '/v1/auth/login',
    instance: '/v1/ns/instance',
    namespace: '/v1/console/namespaces',
    newNamespace: 'customNamespaceId',
  },
  3: {
    login: '/v3/auth/user/login',
    instance: '/v3/client/ns/instance',
    namespace: '/v3/admin/core/namespace',
    newNamespace: 'namespaceId',
  },
}

export interface NacosAdmin {
  /** Resolves when the server knows its user: it takes connections before it serves, and serves before that. */
  serving(): Promise<void>
  register(service: string, ip: string, more?: InstanceParameters): Promise<void>
  deregister(service: string, ip: string, more?: InstancePlace): Promise<void>
  createNamespace(id: string, name: string): Promise<void>
}

export type InstancePlace = Readonly<Partial<Record<'port' | 'clusterName' | 'groupName' | 'namespaceId', string>>>

export interface InstanceParameters extends InstancePlace {
  readonly metadata?: Readonly<Record<string, string>>
  readonly weight?: string
}

export function nacosAdmin(server: NacosServer, release: 2 | 3): NacosAdmin {
  const { login, instance, namespace, newNamespace } = paths[release]
  const send = async (method: string, path: string, parameters: Readonly<Record<string, string>>, token?: string) =>
    await fetch(`${server.url}/nacos${path}`, {
      method,
      // A connection that is kept may be closed as it is used again, on a busy machine.
      headers: { connection: 'close', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      body: new URLSearchParams(parameters),
    })

  /** One for a while: to check a password is costly. */
  let token: { readonly text: string; readonly until: number } | undefined
  async function logIn(): Promise<string> {
    if (token !== undefined && Date.now() < token.until) return token.text
    const answer = await send('POST', login, credentials)
    const { accessToken } = (await answer.json()) as { accessToken: string }
    token = { text: accessToken, until: Date.now() + 5000 }
    return accessToken
  }

  async function ask(method: string, path: string, parameters: Readonly<Record<string, string>>): Promise<void> {
    // Only what is posted has a body that is read.
    const [query, body] = method === 'POST' ? ['', parameters] : [`?${new URLSearchParams(parameters).toString()}`, {}]
    const answer = await send(method, path + query, body, await logIn())
    const text = await answer.text()
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
  }

  return {
    async serving() {
      const end = Date.now() + 120_000
      for (;;) {
        // Release 3 has no user before one gives it a password.
        if (release === 3) await send('POST', '/v3/auth/user/admin', { password: credentials.password }).catch(() => {})
        const answer = await send('POST', login, credentials).catch(() => undefined)
        if (answer?.ok === true) return
        assert.ok(Date.now() < end, 'Nacos does not serve')
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    },
    async register(serviceName, ip, { metadata, ...more } = {}) {
      const text = JSON.stringify({ ...patient, ...metadata })
      await ask('POST', instance, { serviceName, ip, port: '8080', ...more, metadata: text })
    },
    async deregister(serviceName, ip, more) {
      await ask('DELETE', instance, { serviceName, ip, port: '8080', ...more })
    },
    async createNamespace(id, name) {
      await ask('POST', namespace, { [newNamespace]: id, namespaceName: name })
    },
  }
}
