/**
 * The bridge under churn: `node --expose-gc bench/registries.ts [SERVICES] [INSTANCES] [SECONDS]`, by default 10,000
 * services of one instance and a hundred changes a second for a minute, in a real ZooKeeper.
 */
import { churn } from '../packages/registries/test/support/churn.ts'

const [services = 10_000, instances = 1, seconds = 60] = process.argv.slice(2).map(Number)
const result = await churn({ services, instances, rate: 100, seconds, onProgress: (what) => console.error(what) })
console.log(JSON.stringify(result, null, 2))
