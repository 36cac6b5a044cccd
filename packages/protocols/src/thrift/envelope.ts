/** Where the parts of a message lie: offsets into the buffer that was parsed. One object per decoder, reused. */
export class Envelope {
  /** One of `messageTypes`. */
  type = 0
  nameAt = 0
  nameLength = 0
  /** Signed 32 bits. */
  seqid = 0
  seqidAt = 0
  seqidLength = 0
  /** Where the struct with the arguments or the result begins. */
  bodyAt = 0
}
