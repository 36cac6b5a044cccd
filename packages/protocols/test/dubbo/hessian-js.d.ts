/** What the tests use of hessian.js, which brings no types. */
declare module 'hessian.js' {
  export class EncoderV2 {
    write(value: unknown): this
    writeLong(value: number | string): this
    writeDouble(value: number): this
    writeBytes(value: Buffer): this
    writeObject(value: unknown): this
    get(): Buffer
  }
  export class DecoderV2 {
    constructor(bytes: Buffer)
    read(withType?: boolean): unknown
    position(): number
  }
}
