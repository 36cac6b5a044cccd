/** What the load and its backend know of a protocol: whole frames, made once, in which only the id changes. */
export interface Wire {
  /** From so many bytes on `lengthAt` knows the length. */
  readonly headerBytes: number
  /** Length of the whole frame at `at`. */
  lengthAt(bytes: Buffer, at: number): number
  /** Where the id's low 32 bits stand, in requests and in responses. */
  readonly idAt: number
  /** A call of `method` with one string of so many bytes. */
  request(method: string, payload: number): Buffer
  /** The answer: one string of so many bytes. */
  response(method: string, payload: number): Buffer
}

export type WireName = 'dubbo' | 'thrift'

/** The method that the load calls; rules match on it. */
export const calledMethod = 'sayHello'
export const serviceName = 'org.apache.dubbo.samples.basic.api.DemoService'

/** Payloads of this size carry nothing that a protocol would have to escape. */
export function payloadOf(length: number): Buffer {
  return Buffer.alloc(length, 'x')
}
