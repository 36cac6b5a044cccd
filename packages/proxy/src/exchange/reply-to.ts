import type { Frame, ReplyTo } from '@aeraki/protocols'

/** What an answer to this frame needs, for answers that are made at once. */
export function replyTo({ idHigh, idLow, tag }: Frame): ReplyTo {
  return { idHigh, idLow, tag, operation: '' }
}
