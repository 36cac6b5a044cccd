export type {
  AttributeDoc,
  AttributeName,
  ByteSink,
  ConnectionModel,
  Decoder,
  Frame,
  FrameKind,
  FrameReceiver,
  KeyValue,
  Limits,
  LocalError,
  LocalErrorType,
  Mutation,
  Protocol,
  ReplyTo,
  ResponseStatus,
  Side,
} from './contract.ts'
export { defaultLimits } from './contract.ts'
export { ByteBuffer } from './byte-sink.ts'
export { ProtocolError } from './errors.ts'
export { protocolByName, protocols } from './catalogue.ts'
