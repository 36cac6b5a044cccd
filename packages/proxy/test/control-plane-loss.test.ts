import assert from 'node:assert/strict'
import type { AddressInfo, Server } from 'node:net'
import { test } from 'node:test'
import { bootstrapFromFlags } from '../src/config/bootstrap.ts'
import { startProxy } from '../src/start.ts'
import { spawnControlPlane } from './support/control-plane-process.ts'
import { consume, provide } from './support/dubbo-app.ts'

const portOf = (server: Server): number => (server.address() as AddressInfo).port

test('not one request is lost when the control plane is killed, nor when its successor moves them elsewhere', async () => {
  const [v1, v2] = await Promise.all([provide('v1', 0), provide('v2', 0)])
  const first = await spawnControlPlane(0, 0, `127.0.0.1:${portOf(v1)}`, 'c')
  const proxy = await startProxy({ bootstrap: bootstrapFromFlags({ controlPlane: first.address, node: 'web' }) })
  const cleanUp: (() => unknown)[] = [() => proxy.close(0), () => v1.close(), () => v2.close()]
  try {
    await proxy.live
    const bound = proxy.runtime.snapshot().listeners[0]?.bound
    assert.ok(bound !== undefined)

    let phase: 'before' | 'alone' | 'after' = 'before'
    const seen = { before: 0, alone: 0, after: 0 }
    const calling = Array.from({ length: 8 }, () =>
      consume(bound.host, bound.port, (answers) => {
        seen[phase]++
        return answers.at(-1) === 'v2' && seen.after > 1000
      }),
    )
    const all = Promise.all(calling)
    const calls = async (count: number): Promise<void> => {
      while (seen[phase] < count) await Promise.race([new Promise((resolve) => setTimeout(resolve, 5)), all])
    }
    await calls(500)
    await first.kill()
    phase = 'alone'
    await calls(1000)
    const successor = await spawnControlPlane(Number(first.address.split(':')[1]), 0, `127.0.0.1:${portOf(v2)}`, 'd')
    cleanUp.push(() => successor.kill())
    phase = 'after'
    for (const answers of await all) {
      const moved = answers.indexOf('v2')
      assert.ok(moved > 0)
      assert.ok(answers.slice(0, moved).every((answer) => answer === 'v1'))
      assert.ok(answers.slice(moved).every((answer) => answer === 'v2'))
    }
  } finally {
    for (const step of cleanUp) await step()
  }
})
