import type { ByteSink, LocalError, LocalErrorType, ReplyTo } from '../contract.ts'
import {
  flagEvent,
  flagRequest,
  flagTwoWay,
  headerLength,
  magicHigh,
  magicLow,
  serialization,
  status,
} from './header.ts'
import { stringBound, writeString } from './hessian2/write.ts'
import { writeJsonbString } from './fastjson2/write.ts'

/**
 * Which status a client gets for what happened. Java consumers raise `TimeoutException` for 30 and 31 and
 * `RemotingException` with the message for all others, both inside an `RpcException`.
 */
export const statusOf: Readonly<Record<LocalErrorType, number>> = {
  'route-not-found': status.serviceNotFound,
  'cluster-not-found': status.serviceNotFound,
  'no-healthy-upstream': status.serverError,
  'connection-failure': status.serverError,
  'upstream-reset': status.serverError,
  'bad-response': status.badResponse,
  timeout: status.serverTimeout,
  'over-limit': status.serverThreadpoolExhausted,
  overflow: status.serverThreadpoolExhausted,
  denied: status.serviceError,
  fault: status.serverError,
  unspecified: status.serverError,
}

export function writeId(bytes: Buffer, at: number, idHigh: number, idLow: number): void {
  bytes.writeInt32BE(idHigh | 0, at + 4)
  bytes.writeInt32BE(idLow | 0, at + 8)
}

/** The error as a response in the request's serialization, or in Hessian2, which every Dubbo reads, if that is opaque. */
export function writeError(out: ByteSink, to: ReplyTo, error: LocalError): void {
  const code = statusOf[error.type]
  switch (to.tag) {
    case serialization.fastjson:
    case serialization.gson: {
      const json = `${JSON.stringify(error.message)}\n`
      const at = begin(out, to.tag, code, to, 3 * json.length)
      finish(out, at, at + headerLength + out.bytes.write(json, at + headerLength))
      return
    }
    case serialization.fastjson2: {
      const at = begin(out, to.tag, code, to, 16 + 3 * error.message.length)
      finish(out, at, writeJsonbString(out.bytes, at + headerLength, error.message))
      return
    }
    default: {
      const at = begin(out, serialization.hessian2, code, to, stringBound(error.message))
      finish(out, at, writeString(out.bytes, at + headerLength, error.message))
    }
  }
}

/** An event response with null, as Dubbo's own. */
export function writeHeartbeatReply(out: ByteSink, to: ReplyTo): void {
  const known = to.tag in nulls ? to.tag : serialization.hessian2
  writeNull(out, flagEvent | known, status.ok, to, known)
}

/** A two-way event request with null in Hessian2. */
export function writeHeartbeat(out: ByteSink, id: number): void {
  const flags = flagRequest | flagTwoWay | flagEvent | serialization.hessian2
  writeNull(out, flags, 0, { idHigh: 0, idLow: id }, serialization.hessian2)
}

/** Null in each serialization. */
const nulls: Readonly<Record<number, Buffer>> = {
  [serialization.hessian2]: Buffer.from('N'),
  [serialization.fastjson]: Buffer.from('null\n'),
  [serialization.gson]: Buffer.from('null\n'),
  [serialization.fastjson2]: Buffer.from([0, 0, 0, 1, 0xaf]),
}

type Id = Pick<ReplyTo, 'idHigh' | 'idLow'>

function writeNull(out: ByteSink, flags: number, code: number, id: Id, tag: number): void {
  const body = nulls[tag] ?? Buffer.from('N')
  const at = begin(out, flags, code, id, body.length)
  finish(out, at, at + headerLength + body.copy(out.bytes, at + headerLength))
}

function begin(out: ByteSink, flags: number, code: number, id: Id, bodyBound: number): number {
  const at = out.reserve(headerLength + bodyBound)
  const { bytes } = out
  bytes[at] = magicHigh
  bytes[at + 1] = magicLow
  bytes[at + 2] = flags
  bytes[at + 3] = code
  writeId(bytes, at, id.idHigh, id.idLow)
  return at
}

function finish(out: ByteSink, at: number, end: number): void {
  out.bytes.writeUInt32BE(end - at - headerLength, at + 12)
  out.commit(end)
}
