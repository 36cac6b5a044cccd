/**
 * Starts a proxy, on Node, of the bootstrap in the file `argv[2]`, asks its admin page `argv[3]` if that is given, ends it,
 * and prints a JSON list of the modules that have been loaded for it.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

const loaded: string[] = []
registerHooks({
  load(url, context, next) {
    loaded.push(url)
    return next(url, context)
  },
})

const { parseBootstrap, startProxy } = await import('../../src/index.ts')
const [, , file = '', page] = process.argv
const proxy = await startProxy({ bootstrap: parseBootstrap(readFileSync(file, 'utf8'), file) })
await proxy.live
if (page !== undefined) await (await fetch(`http://127.0.0.1:${proxy.adminAddress?.port}${page}`)).text()
await proxy.close(0)
process.stdout.write(JSON.stringify(loaded))
