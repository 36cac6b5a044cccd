/** HAProxy in TCP mode: layer 4, nothing is parsed. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { needPeer } from '@aeraki/testing'
import type { Contender } from './contender.ts'

export const haproxyTcp: Contender = {
  name: 'HAProxy TCP',
  layer: 4,
  wires: ['dubbo', 'thrift'],
  launch({ port, backends, workers }, folder) {
    const servers = backends.flat().map(({ host, port: to }, index) => `  server s${index} ${host}:${to}`)
    const path = join(folder, 'haproxy.cfg')
    writeFileSync(
      path,
      `global
  nbthread ${workers}
  maxconn 9000
defaults
  mode tcp
  timeout client 10m
  timeout server 10m
  timeout connect 5s
listen bench
  bind 127.0.0.1:${port}
  balance roundrobin
${servers.join('\n')}
`,
    )
    return { command: needPeer('haproxy').path, args: ['-q', '-db', '-f', path] }
  },
}
