import { describeConformance, type Sample } from '../../src/conformance/kit.ts'
import { dubbo } from '../../src/dubbo/index.ts'
import { golden } from './golden.ts'
import { demoService, frameOf, hessian, hessianCall, hessianResponse, readError } from './frames.ts'

const attachments = { interface: demoService, path: demoService, version: '1.0.0', batchJob: 'true', group: 'test' }
const routable = {
  interface: demoService,
  method: 'sayHello',
  version: '1.0.0',
  batchjob: 'true',
  group: 'test',
  nope: undefined,
}

const samples: readonly Sample[] = [
  {
    name: 'a call with attachments in an untyped map',
    side: 'request',
    bytes: hessianCall({ id: [0, 7], types: 'Ljava/lang/String;', arguments: ['world'], attachments }),
    kind: 'request',
    id: [0, 7],
    operation: `${demoService}/sayHello`,
    attributes: routable,
    mutable: true,
  },
  {
    name: 'a call with attachments in a typed map and an id of 64 bits',
    side: 'request',
    bytes: hessianCall({
      id: [-2, -3],
      types: 'Ljava/util/Map;I[J',
      arguments: [{ a: [1, { b: null }] }, 5, [1, 2, 3]],
      attachments,
      attachmentsType: 'java.util.TreeMap',
    }),
    kind: 'request',
    id: [-2, -3],
    attributes: routable,
    mutable: true,
  },
  {
    name: 'a one-way call without attachments',
    side: 'request',
    bytes: hessianCall({ oneway: true }),
    kind: 'oneway',
    attributes: { interface: demoService, method: 'sayHello', version: '0.0.0', group: undefined },
    mutable: true,
  },
  {
    name: 'a call with null attachments',
    side: 'request',
    bytes: hessianCall({ attachments: null }),
    kind: 'request',
    mutable: true,
  },
  {
    name: 'a heartbeat',
    side: 'request',
    bytes: frameOf(0xe2, 0, [0, 9], hessian(null)),
    kind: 'heartbeat',
    id: [0, 9],
  },
  {
    name: 'a fastjson2 heartbeat',
    side: 'request',
    bytes: frameOf(0xf7, 0, [0, 9], Buffer.from('00000001af', 'hex')),
    kind: 'heartbeat',
  },
  {
    name: 'a call in a serialization nobody knows',
    side: 'request',
    bytes: frameOf(0xc3, 0, [1, 2], Buffer.from('??')),
    kind: 'request',
  },
  {
    name: 'a value',
    side: 'response',
    bytes: hessianResponse(20, [0, 7], 1, 'hello'),
    kind: 'response',
    id: [0, 7],
    mutable: true,
  },
  {
    name: 'a value with attachments',
    side: 'response',
    bytes: hessianResponse(20, [0, 7], 4, { a: ['b'] }, { dubbo: '2.0.2' }),
    kind: 'response',
    attributes: { dubbo: '2.0.2' },
    mutable: true,
  },
  { name: 'a null', side: 'response', bytes: hessianResponse(20, [0, 7], 2), kind: 'response', mutable: true },
  {
    name: 'an exception',
    side: 'response',
    bytes: hessianResponse(20, [0, 7], 0, { $class: 'java.lang.RuntimeException', $: { detailMessage: 'no' } }),
    kind: 'response',
    status: 'exception',
    mutable: true,
  },
  {
    name: 'a failure',
    side: 'response',
    bytes: hessianResponse(70, [0, 7], 'went wrong'),
    kind: 'response',
    status: 'error',
  },
  {
    name: 'a heartbeat of the server',
    side: 'response',
    bytes: frameOf(0xe2, 0, [0, 3], hessian(null)),
    kind: 'heartbeat',
  },
  {
    name: 'an answer to a heartbeat',
    side: 'response',
    bytes: frameOf(0x22, 20, [0, 3], hessian(null)),
    kind: 'heartbeat-reply',
  },
  { name: 'the read-only event', side: 'response', bytes: frameOf(0xa2, 0, [0, 3], hessian('R')), kind: 'goaway' },
]

/** Frames of Apache Dubbo 3, without the largest: the kit pushes each many times. */
const recorded: readonly Sample[] = ['hessian2', 'fastjson2'].flatMap((name) => [
  ...['sayHello', 'fail', 'mixed', 'tell'].map((method): Sample => ({
    name: `Apache Dubbo's ${name} call of ${method}`,
    side: 'request',
    bytes: golden(`${name}-${method}-request`),
    kind: method === 'tell' ? 'oneway' : 'request',
    attributes: { method, batchjob: 'true', user: 'ä😀' },
    mutable: true,
  })),
  ...['sayHello', 'fail', 'mixed'].map((method): Sample => ({
    name: `Apache Dubbo's ${name} response of ${method}`,
    side: 'response',
    bytes: golden(`${name}-${method}-response`),
    kind: 'response',
    status: method === 'fail' ? 'exception' : 'ok',
    attributes: { dubbo: '2.0.2' },
    mutable: true,
  })),
])

/** As Dubbo's FastJsonObjectOutput and GsonJsonObjectOutput write: a value a line. */
const json: readonly Sample[] = [
  {
    name: 'a fastjson call',
    side: 'request',
    bytes: frameOf(
      0xc6,
      0,
      [3, 4],
      lines('2.0.2', demoService, '1.0.0', 'sayHello', 'Ljava/lang/String;I', 'a\nb', 5, attachments),
    ),
    kind: 'request',
    id: [3, 4],
    operation: `${demoService}/sayHello`,
    attributes: routable,
    mutable: true,
  },
  {
    name: 'a gson call without attachments',
    side: 'request',
    bytes: frameOf(0xd0, 0, [3, 4], lines('2.0.2', demoService, null, 'sayHello', '')),
    kind: 'request',
    attributes: { interface: demoService, method: 'sayHello', version: undefined },
    mutable: true,
  },
  {
    name: 'a fastjson call that is none',
    side: 'request',
    bytes: frameOf(0xc6, 0, [3, 4], Buffer.from('{{{')),
    kind: 'request',
    operation: '',
    attributes: { method: undefined, batchjob: undefined },
  },
  {
    name: 'a fastjson2 call that is none',
    side: 'request',
    bytes: frameOf(0xd7, 0, [3, 4], Buffer.from('{{{{{{{{')),
    kind: 'request',
    operation: '',
    attributes: { method: undefined, batchjob: undefined },
  },
  {
    name: 'a fastjson exception',
    side: 'response',
    bytes: frameOf(0x06, 20, [3, 4], lines(0, { message: 'no' })),
    kind: 'response',
    status: 'exception',
    mutable: true,
  },
  {
    name: 'a fastjson null with attachments',
    side: 'response',
    bytes: frameOf(0x06, 20, [3, 4], lines(5, { a: 'b', n: 1 })),
    kind: 'response',
    attributes: { a: 'b', n: undefined },
    mutable: true,
  },
  { name: 'a fastjson heartbeat', side: 'request', bytes: frameOf(0xe6, 0, [3, 4], lines(null)), kind: 'heartbeat' },
  {
    name: 'the fastjson read-only event',
    side: 'response',
    bytes: frameOf(0xa6, 0, [3, 4], lines('R')),
    kind: 'goaway',
  },
]

function lines(...values: readonly unknown[]): Buffer {
  return Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''))
}

describeConformance({ protocol: dubbo, samples: [...samples, ...recorded, ...json], headerBytes: 16, readError })
