import type { Exchanges } from './exchange/exchanges.ts'
import type { Dispatcher } from './exchange/dispatcher.ts'
import type { Io } from './io/io.ts'
import type { ProxyLimits } from './limits.ts'
import type { StatsRegistry } from './stats/registry.ts'
import type { BufferPool } from './turn/buffers.ts'
import type { Clock } from './turn/clock.ts'
import type { Flusher } from './turn/flusher.ts'
import type { TimerWheel } from './turn/timer-wheel.ts'

/** What every part of one runtime shares. */
export interface Core {
  readonly io: Io
  /** Other data paths of this process listen on the same addresses. */
  readonly reusePort: boolean
  readonly limits: ProxyLimits
  readonly clock: Clock
  /** For requests: 10 ms late at most. */
  readonly requestTimers: TimerWheel
  /** For connections: rough, and so rarely awake. */
  readonly connectionTimers: TimerWheel
  readonly flusher: Flusher
  readonly buffers: BufferPool
  readonly stats: StatsRegistry
  readonly exchanges: Exchanges
  readonly dispatcher: Dispatcher
  /** From 0 to 1, not including it. */
  readonly random: () => number
}
