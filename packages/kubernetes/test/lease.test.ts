import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiRequest, KubernetesClient } from '../src/client.ts'
import { KubernetesError } from '../src/errors.ts'
import { startElection } from '../src/lease.ts'

interface Lease {
  readonly metadata: { readonly resourceVersion?: string }
  readonly spec: { readonly holderIdentity: string }
}

/** A server that has one Lease, and whose answers to renewals are never heard. */
function deafServer() {
  let lease: Lease | undefined
  let version = 0
  const renewed = Promise.withResolvers<void>()

  async function request({ method = 'GET', body, signal }: ApiRequest): Promise<unknown> {
    if (method === 'GET') {
      if (lease === undefined) throw new KubernetesError(404, 'NotFound', 'no lease')
      return lease
    }
    const sent = body as Lease
    if (method === 'PUT' && sent.metadata.resourceVersion !== lease?.metadata.resourceVersion) {
      throw new KubernetesError(409, 'Conflict', 'another version')
    }
    version += 1
    lease = { ...sent, metadata: { ...sent.metadata, resourceVersion: String(version) } }
    if (method === 'PUT' && sent.spec.holderIdentity !== '') {
      renewed.resolve()
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))))
    }
    return lease
  }

  const client: KubernetesClient = {
    server: 'https://test',
    namespace: 'mesh',
    request: async <T>(options: ApiRequest) => (await request(options)) as T,
    stream: async () => {},
    close() {},
  }
  return { client, renewed: renewed.promise, holder: () => lease?.spec.holderIdentity }
}

test('a leader that ends while it renews its lease gives it up all the same', async () => {
  const { client, renewed, holder } = deafServer()
  const election = startElection({
    client,
    namespace: 'mesh',
    name: 'leader',
    identity: 'one',
    retryMs: 5,
    onChange() {},
  })
  await renewed
  assert.equal(holder(), 'one')
  await election.close()
  assert.equal(holder(), '')
})
