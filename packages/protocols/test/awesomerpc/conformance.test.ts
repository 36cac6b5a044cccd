import { describeConformance } from '../../src/conformance/kit.ts'
import { awesomerpc } from '../../src/awesomerpc/index.ts'

const attributes = { method: 'greet', user: 'jason', nope: undefined }

describeConformance({
  protocol: awesomerpc,
  headerBytes: 9,
  samples: [
    {
      name: 'a call',
      side: 'request',
      bytes: frame('C', 'greet\nUser=jason\n\nhi'),
      kind: 'request',
      id: [0, 7],
      operation: 'greet',
      attributes,
      mutable: true,
    },
    {
      name: 'a tell',
      side: 'request',
      bytes: frame('T', 'greet\n\n'),
      kind: 'oneway',
      attributes: { method: 'greet' },
      mutable: true,
    },
    { name: 'a ping', side: 'request', bytes: frame('P', '\n\n'), kind: 'heartbeat' },
    {
      name: 'a reply',
      side: 'response',
      bytes: frame('R', '\na=b\n\nhello\n\nyou'),
      kind: 'response',
      attributes: { a: 'b' },
      mutable: true,
    },
    {
      name: 'an error',
      side: 'response',
      bytes: frame('E', '\n\nno'),
      kind: 'response',
      status: 'error',
      mutable: true,
    },
    { name: 'a pong', side: 'response', bytes: frame('p', '\n\n'), kind: 'heartbeat-reply' },
  ],
  // Written from the protocol's page, not from the codec.
  readError(reply) {
    const text = reply.subarray(9).toString()
    if (reply.readUInt32BE() !== reply.length - 4 || reply[8] !== 0x45) throw new Error('no error frame')
    return { idHigh: 0, idLow: reply.readInt32BE(4), message: text.slice(text.indexOf('\n\n') + 2) }
  },
})

function frame(kind: string, text: string): Buffer {
  const bytes = Buffer.from(`____\0\0\0\x07${kind}${text}`)
  bytes.writeUInt32BE(bytes.length - 4)
  return bytes
}
