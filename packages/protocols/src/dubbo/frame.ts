import { LengthDecoder, type PointableFrame } from '../framing.ts'
import type { ByteSink, Decoder, FrameKind, Limits, Mutation, ResponseStatus, Side } from '../contract.ts'
import { operationName } from '../intern.ts'
import { requestAttribute, requestAttributes } from './attributes.ts'
import type { Body } from './body.ts'
import { writeId } from './encode.ts'
import {
  dubboGrammar,
  flagEvent,
  flagRequest,
  flagTwoWay,
  headerLength,
  serialization,
  serializationMask,
  status as statuses,
} from './header.ts'
import { FastJson2Body } from './fastjson2/body.ts'
import { Hessian2Body } from './hessian2/body.ts'
import { JsonLinesBody } from './json-lines.ts'

/**
 * Requests and responses may come from either end (heartbeats do), so what a frame is depends on its flags alone and
 * both sides are decoded alike.
 */
export function dubboDecoder(_side: Side, limits: Limits): Decoder {
  return new LengthDecoder(dubboGrammar(limits), new DubboFrame(limits))
}

class DubboFrame implements PointableFrame {
  kind: FrameKind = 'request'
  length = 0
  tag = 0
  readonly #limits: Limits
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  #bodyReady = false
  #body: Body | undefined
  #hessian2: Body | undefined
  #jsonLines: Body | undefined
  #fastJson2: Body | undefined

  constructor(limits: Limits) {
    this.#limits = limits
  }

  point(bytes: Buffer, at: number, length: number): void {
    const flags = bytes[at + 2] as number
    this.#bytes = bytes
    this.#at = at
    this.#bodyReady = false
    this.length = length
    this.tag = flags & serializationMask
    if ((flags & flagEvent) !== 0) this.kind = eventKind(bytes, at, length, flags)
    else if ((flags & flagRequest) === 0) this.kind = 'response'
    else this.kind = (flags & flagTwoWay) === 0 ? 'oneway' : 'request'
  }

  get idHigh(): number {
    return this.#bytes.readInt32BE(this.#at + 4)
  }

  get idLow(): number {
    return this.#bytes.readInt32BE(this.#at + 8)
  }

  get status(): ResponseStatus {
    if (this.kind !== 'response') return 'ok'
    if (this.#bytes[this.#at + 3] !== statuses.ok) return 'error'
    const kind = this.#readBody()?.resultKind()
    return kind === 0 || kind === 3 ? 'exception' : 'ok'
  }

  attribute(name: string): string | undefined {
    const body = this.#readBody()
    if (body === undefined) return undefined
    return this.kind === 'response' ? body.attachment(name) : requestAttribute(body, name)
  }

  /** From before the arguments: the path stands for the interface, which it is for all but exotic consumers. */
  operation(): string {
    const body = this.kind === 'response' ? undefined : this.#readBody()
    const path = body?.path()
    const method = body?.method()
    return path === undefined || method === undefined ? '' : operationName(path, method)
  }

  allAttributes(): ReadonlyMap<string, string> {
    const body = this.#readBody()
    if (body === undefined) return new Map()
    return this.kind === 'response' ? body.attachments() : requestAttributes(body)
  }

  write(out: ByteSink, idHigh: number, idLow: number, mutation: Mutation | undefined): void {
    const from = this.#at
    const set = mutation?.set
    const body = set === undefined || set.length === 0 ? undefined : this.#readBody()
    const bound = body === undefined || set === undefined ? 0 : body.prepare(set)
    if (body === undefined || bound === 0) {
      const at = out.reserve(this.length)
      this.#bytes.copy(out.bytes, at, from, from + this.length)
      writeId(out.bytes, at, idHigh, idLow)
      out.commit(at + this.length)
      return
    }
    const at = out.reserve(headerLength + bound)
    this.#bytes.copy(out.bytes, at, from, from + headerLength)
    const end = body.write(out.bytes, at + headerLength)
    writeId(out.bytes, at, idHigh, idLow)
    out.bytes.writeUInt32BE(end - at - headerLength, at + 12)
    out.commit(end)
  }

  /** The reader of this frame's body; undefined for events, error responses and unknown serializations. */
  #readBody(): Body | undefined {
    if (this.#bodyReady) return this.#body
    this.#bodyReady = true
    this.#body = undefined
    const { kind } = this
    if (kind !== 'request' && kind !== 'oneway' && kind !== 'response') return undefined
    if (kind === 'response' && this.#bytes[this.#at + 3] !== statuses.ok) return undefined
    const body = this.#bodyOf(this.tag)
    const start = this.#at + headerLength
    body?.reset(this.#bytes, start, this.#at + this.length, kind === 'response' ? 'response' : 'request')
    this.#body = body
    return body
  }

  #bodyOf(tag: number): Body | undefined {
    switch (tag) {
      case serialization.hessian2:
        return (this.#hessian2 ??= new Hessian2Body(this.#limits))
      case serialization.fastjson:
      case serialization.gson:
        return (this.#jsonLines ??= new JsonLinesBody(this.#limits))
      case serialization.fastjson2:
        return (this.#fastJson2 ??= new FastJson2Body(this.#limits))
      default:
        return undefined
    }
  }
}

/**
 * Heartbeats are null and want an answer. The read-only event is the string "R", in whatever serialization: its last
 * character (before a quote and a line end) is an R, and null's never is. Other one-way events ("W") need no answer.
 */
function eventKind(bytes: Buffer, at: number, length: number, flags: number): FrameKind {
  if ((flags & flagRequest) === 0) return 'heartbeat-reply'
  let last = at + length - 1
  while (last >= at + headerLength && isTrailing(bytes[last] as number)) last -= 1
  if (last >= at + headerLength && bytes[last] === 0x52) return 'goaway'
  return (flags & flagTwoWay) === 0 ? 'heartbeat-reply' : 'heartbeat'
}

/** Quote, carriage return, line feed. */
function isTrailing(byte: number): boolean {
  return byte === 0x22 || byte === 0x0d || byte === 0x0a
}
