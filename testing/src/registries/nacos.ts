/** A Nacos server, standalone (the peers `nacos` and `nacos3`: testing/ says what of them is Alibaba's). */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isFree } from '../ports.ts'
import { needPeer } from '../peers.ts'
import { type ServerProcess, serverProcess } from './server.ts'

export interface NacosServer extends ServerProcess {
  readonly port: number
  /** http://127.0.0.1:PORT */
  readonly url: string
}

export interface NacosOptions {
  /** Default 2. */
  readonly release?: 2 | 3
  /** It then asks for user `nacos` with password `nacos`; tokens hold for so many seconds. */
  readonly tokenSeconds?: number
}

/** Not started yet. It also takes gRPC, on the port 1000 above. */
export async function nacosServer({ tokenSeconds, release = 2 }: NacosOptions = {}): Promise<NacosServer> {
  const port = await freeNacosPort()
  const peer = release === 2 ? 'nacos' : 'nacos3'
  const server = serverProcess({
    name: peer,
    port,
    patience: 180_000,
    command: (folder) => {
      // Release 3 wants to have one.
      writeFileSync(join(folder, 'application.properties'), '')
      const properties = {
        'nacos.home': folder,
        'nacos.standalone': true,
        // Its database has 10 s to come up, which is little on a busy machine that also has to wait for the disk.
        'derby.system.durability': 'test',
        'nacos.server.ip': '127.0.0.1',
        'server.port': port,
        'nacos.server.main.port': port,
        'server.servlet.contextPath': '/nacos',
        'nacos.core.auth.enabled': tokenSeconds !== undefined,
        'nacos.core.auth.admin.enabled': tokenSeconds !== undefined,
        'nacos.core.auth.system.type': 'nacos',
        'nacos.core.auth.plugin.nacos.token.secret.key': Buffer.alloc(48, 'aeraki').toString('base64'),
        'nacos.core.auth.plugin.nacos.token.expire.seconds': tokenSeconds ?? 18_000,
        'nacos.core.auth.server.identity.key': 'aeraki',
        'nacos.core.auth.server.identity.value': 'test',
        'spring.main.banner-mode': 'off',
        'spring.config.additional-location': `file:${folder}/`,
      }
      return [
        needPeer('java').path,
        '-XX:TieredStopAtLevel=1',
        '-XX:+UseSerialGC',
        '-Xmx512m',
        ...Object.entries(properties).map(([key, value]) => `-D${key}=${value}`),
        '-cp',
        classPath(`${needPeer(peer).path}/lib`),
        `io.aeraki.testing.${peer}.Server`,
      ]
    },
  })
  const start = async (): Promise<void> => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await server.start()
      } catch (error) {
        if (tries === 3) throw error
        await server.stop()
      }
    }
  }
  return { ...server, start, port, url: `http://127.0.0.1:${port}` }
}

/**
 * Nacos also takes the ports 1000 and 1001 above, for gRPC, and 1000 below. All are below those that connections go out
 * from: one of those would keep the server from its port.
 */
export async function freeNacosPort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 18_000)
    const free = await Promise.all([port - 1000, port, port + 1000, port + 1001].map(isFree))
    if (free.every(Boolean)) return port
  }
}

/** Hessian is there in two editions, as in Nacos' own distribution: of Alibaba's only what Caucho's lacks is wanted. */
function classPath(folder: string): string {
  const caucho = readdirSync(folder).find((name) => name.startsWith('hessian-4.'))
  return `${folder}/${caucho ?? ''}:${folder}/*`
}
