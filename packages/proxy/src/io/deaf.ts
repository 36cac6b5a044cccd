import type { ConnectionHandler } from './io.ts'

/** Of a connection that has none yet, or none any more. */
export const deaf: ConnectionHandler = {
  onOpen: () => undefined,
  onData: () => undefined,
  onEnd: () => undefined,
  onDrain: () => undefined,
  onClose: () => undefined,
}
