/**
 * The bridge under churn: `node --expose-gc bench/registries.ts [TYPE] [SERVICES] [INSTANCES] [SECONDS] [RATE]`, by default
 * 10,000 services of one instance and a hundred changes a second for a minute, in a real ZooKeeper. The other types are etcd,
 * consul, eureka, nacos and nacos3.
 */
import { churn } from '../packages/registries/test/support/churn.ts'
import type { FillableType } from '../packages/registries/test/support/fillable.ts'

const [type = 'zookeeper', ...numbers] = process.argv.slice(2)
const [services = 10_000, instances = 1, seconds = 60, rate = 100] = numbers.map(Number)
const options = { type: type as FillableType, services, instances, rate, seconds }
const result = await churn({ ...options, onProgress: (what) => console.error(what) })
console.log(JSON.stringify({ ...options, ...result }, null, 2))
process.exit(0)
