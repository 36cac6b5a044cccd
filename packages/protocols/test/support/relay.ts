/**
 * The smallest thing that uses a codec as the proxy does: one upstream connection for all clients and each destination,
 * ids rewritten, mutations, local replies. For interop tests of multiplexed protocols; the proxy has its own.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { ByteBuffer } from '../../src/byte-sink.ts'
import {
  defaultLimits,
  type Frame,
  type LocalError,
  type Mutation,
  type Protocol,
  type ReplyTo,
} from '../../src/contract.ts'

export type Decision =
  | { readonly port: number; readonly request?: Mutation; readonly response?: Mutation }
  | { readonly error: LocalError }

export interface Relay {
  readonly port: number
  /** Kinds and operations of the frames seen, in order. */
  readonly seen: readonly string[]
  decide: (frame: Frame) => Decision
  /** Sends a heartbeat of the protocol to every destination there is a connection to. */
  sendHeartbeats(): void
  /** Connections of clients so far. */
  readonly accepted: number
  close(): Promise<void>
}

interface Pending {
  readonly client: Socket
  readonly idHigh: number
  readonly idLow: number
  readonly response: Mutation | undefined
}

export async function startRelay(protocol: Protocol, decide: (frame: Frame) => Decision): Promise<Relay> {
  const seen: string[] = []
  const sockets = new Set<Socket>()
  const upstreams = new Map<number, Socket>()
  const pending = new Map<number, Pending>()
  let nextId = 1

  const relay = { port: 0, seen, decide, accepted: 0, sendHeartbeats, close }
  const server = createServer((client) => {
    track(client)
    relay.accepted += 1
    const decoder = protocol.decoder('request', defaultLimits)
    client.on('data', (chunk) => decoder.push(chunk, { onFrame: (frame) => fromClient(client, frame) }))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  relay.port = (server.address() as AddressInfo).port
  return relay

  function fromClient(client: Socket, frame: Frame): boolean {
    const out = new ByteBuffer()
    const operation = frame.kind === 'request' || frame.kind === 'oneway' ? frame.operation() : ''
    seen.push(`${frame.kind} ${operation}`.trimEnd())
    const to: ReplyTo = { idHigh: frame.idHigh, idLow: frame.idLow, tag: frame.tag, operation }
    if (frame.kind === 'heartbeat') {
      protocol.writeHeartbeatReply(out, to)
      client.write(out.view())
    } else if (frame.kind === 'request' || frame.kind === 'oneway') {
      const decision = relay.decide(frame)
      if ('error' in decision) {
        protocol.writeError(out, to, decision.error)
        client.write(out.view())
        return true
      }
      const id = nextId++
      if (frame.kind === 'request') pending.set(id, { client, ...to, response: decision.response })
      frame.write(out, 0, id, decision.request)
      upstreamOf(decision.port).write(out.view())
    }
    return true
  }

  function fromServer(upstream: Socket, frame: Frame): boolean {
    const out = new ByteBuffer()
    seen.push(frame.kind === 'response' ? `response ${frame.status}` : frame.kind)
    if (frame.kind === 'heartbeat') {
      protocol.writeHeartbeatReply(out, { ...frame, operation: '' })
      upstream.write(out.view())
    }
    const request = frame.kind === 'response' ? pending.get(frame.idLow) : undefined
    if (request === undefined) return true
    pending.delete(frame.idLow)
    frame.write(out, request.idHigh, request.idLow, request.response)
    request.client.write(out.view())
    return true
  }

  function sendHeartbeats(): void {
    const out = new ByteBuffer()
    protocol.writeHeartbeat?.(out, nextId++)
    for (const upstream of upstreams.values()) upstream.write(out.view())
  }

  function upstreamOf(port: number): Socket {
    let upstream = upstreams.get(port)
    if (upstream === undefined) {
      const socket = connect(port, '127.0.0.1')
      upstream = socket
      track(socket)
      const decoder = protocol.decoder('response', defaultLimits)
      socket.on('data', (chunk) => decoder.push(chunk, { onFrame: (frame) => fromServer(socket, frame) }))
      upstreams.set(port, socket)
    }
    return upstream
  }

  function track(socket: Socket): void {
    sockets.add(socket)
    socket.setNoDelay()
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  }

  function close(): Promise<void> {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => {
      server.close(() => resolve())
    })
  }
}

/** A port that was free a moment ago, for servers that can't pick one themselves. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo
      probe.close(() => resolve(port))
    })
  })
}
