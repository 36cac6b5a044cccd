/** Writes to ZooKeeper with a third-party client, node-zookeeper-client. */
import { createRequire } from 'node:module'

interface Client {
  connect(): void
  close(): void
  once(event: 'connected', listener: () => void): void
  addAuthInfo(scheme: string, credentials: Buffer): void
  mkdirp(path: string, data: Buffer, acls: unknown, callback: (error: Error | null) => void): void
  create(path: string, data: Buffer, acls: unknown, mode: number, callback: (error: Error | null) => void): void
  setData(path: string, data: Buffer, version: number, callback: (error: Error | null) => void): void
  remove(path: string, version: number, callback: (error: Error | null) => void): void
}

const require = createRequire(import.meta.url)
const library = require('node-zookeeper-client') as {
  createClient(servers: string, options: { sessionTimeout: number }): Client
  CreateMode: { readonly PERSISTENT: number; readonly EPHEMERAL: number }
  ACL: { readonly CREATOR_ALL_ACL: unknown; readonly OPEN_ACL_UNSAFE: unknown }
}

export interface ZookeeperWriter {
  /** With the nodes above it, which stay. */
  create(path: string, data?: string | Buffer, kind?: 'persistent' | 'ephemeral'): Promise<void>
  /** The nodes above it have to be there. */
  createBare(path: string): Promise<void>
  set(path: string, data: string): Promise<void>
  remove(path: string): Promise<void>
  close(): void
}

/** @param credentials `user:password`: what is created is then for this user alone */
export async function zookeeperWriter(servers: string, credentials?: string): Promise<ZookeeperWriter> {
  const client = library.createClient(servers, { sessionTimeout: 60_000 })
  if (credentials !== undefined) client.addAuthInfo('digest', Buffer.from(credentials))
  await new Promise<void>((resolve) => {
    client.once('connected', resolve)
    client.connect()
  })
  const acls = credentials === undefined ? library.ACL.OPEN_ACL_UNSAFE : library.ACL.CREATOR_ALL_ACL
  const nothing = Buffer.alloc(0)
  return {
    async create(path, data = nothing, kind = 'persistent') {
      const above = path.slice(0, path.lastIndexOf('/'))
      if (above !== '') await call((done) => client.mkdirp(above, nothing, acls, done))
      const mode = kind === 'ephemeral' ? library.CreateMode.EPHEMERAL : library.CreateMode.PERSISTENT
      await call((done) => client.create(path, Buffer.from(data), acls, mode, done))
    },
    createBare: (path) => call((done) => client.create(path, nothing, acls, library.CreateMode.PERSISTENT, done)),
    set: (path, data) => call((done) => client.setData(path, Buffer.from(data), -1, done)),
    remove: (path) => call((done) => client.remove(path, -1, done)),
    close: () => client.close(),
  }
}

function call(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => {
      if (error === null || error === undefined) resolve()
      else reject(new Error(String(error)))
    })
  })
}
