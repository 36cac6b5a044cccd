/** The catalogue of scenarios; the first is the default. */
import { batchIsolation } from './scenarios/batch-isolation.ts'
import { canary } from './scenarios/canary.ts'
import { locality } from './scenarios/locality.ts'
import { trafficSplit } from './scenarios/traffic-split.ts'
import type { Scenario } from './scenario.ts'

export const scenarios: readonly [Scenario, ...Scenario[]] = [trafficSplit, batchIsolation, locality, canary]
