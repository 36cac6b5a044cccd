import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { createVipAllocator } from '../src/vip/allocator.ts'
import { openStateFile } from '../src/vip/state-file.ts'

describe('VIP allocator', () => {
  test('an address depends on its key, not on the order in which services come', () => {
    const forwards = createVipAllocator()
    const backwards = createVipAllocator()
    const keys = ['a.example', 'b.example', 'c.example']
    const first = new Map(keys.map((key) => [key, forwards.allocate(key)]))
    const second = new Map(keys.toReversed().map((key) => [key, backwards.allocate(key)]))
    assert.deepEqual(Object.fromEntries(first), Object.fromEntries(second))
    for (const address of first.values()) assert.match(address, /^127\.240\.\d{1,3}\.\d{1,3}$/)
  })

  test('addresses are unique and stay, whatever comes and goes, also across restarts', () => {
    const step = fc.record({ key: fc.nat(30).map((n) => `s${n}`), action: fc.constantFrom('come', 'go', 'restart') })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        let allocator = createVipAllocator({ size: 64 })
        const present = new Map<string, string>()
        for (const { key, action } of steps) {
          if (action === 'come') {
            const address = allocator.allocate(key)
            assert.equal(present.get(key) ?? address, address)
            present.set(key, address)
          } else if (action === 'go') {
            allocator.release(key)
            present.delete(key)
          } else {
            allocator = createVipAllocator({ size: 64, assignments: allocator.snapshot() })
          }
          for (const [known, address] of present) assert.equal(allocator.allocate(known), address)
          assert.equal(new Set(present.values()).size, present.size)
        }
      }),
    )
  })

  test('a service that comes back in time has its old address; later it may be another one’s', () => {
    let now = 0
    const allocator = createVipAllocator({ size: 2, keepGoneMs: 1000, now: () => now })
    const a = allocator.allocate('a')
    const b = allocator.allocate('b')
    assert.notEqual(a, b)
    allocator.release('a')
    now = 500
    assert.equal(allocator.allocate('a'), a)
    allocator.release('a')
    now = 2000
    assert.equal(allocator.allocate('c'), a)
  })

  test('a full block gives away the address that was longest without a service, and then says so', () => {
    let now = 0
    const allocator = createVipAllocator({ size: 2, now: () => now })
    const a = allocator.allocate('a')
    allocator.allocate('b')
    allocator.release('a')
    now = 1
    assert.equal(allocator.allocate('c'), a)
    assert.throws(() => allocator.allocate('d'), { code: 'MESH_VIP_EXHAUSTED' })
  })

  test('an address that the configuration names is given to nobody', () => {
    const taken = createVipAllocator().allocate('a')
    const allocator = createVipAllocator()
    allocator.reserve(taken)
    allocator.reserve(taken)
    allocator.unreserve(taken)
    assert.notEqual(allocator.allocate('a'), taken)
  })
})

describe('state file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aeraki-state-'))
  const assignments = [
    { key: 'a.example', address: '127.240.1.2', goneSince: undefined },
    { key: 'b.example', address: '127.240.1.3', goneSince: 17 },
  ]

  test('what is saved is read again, and nothing is left beside it', () => {
    const path = join(folder, 'deep', 'state.json')
    openStateFile(path).save(assignments)
    assert.deepEqual(openStateFile(path).assignments, assignments)
    assert.deepEqual(readdirSync(join(folder, 'deep')), ['state.json'])
  })

  test('a broken file is put aside', () => {
    const path = join(folder, 'broken', 'state.json')
    mkdirSync(join(folder, 'broken'))
    writeFileSync(path, '{"version": 7')
    assert.deepEqual(openStateFile(path).assignments, [])
    assert.equal(readFileSync(join(folder, 'broken', 'state.json.broken'), 'utf8'), '{"version": 7')
  })

  test('where nothing can be written, nothing is thrown', () => {
    const locked = join(folder, 'locked')
    mkdirSync(locked)
    chmodSync(locked, 0o500)
    writeFileSync(join(folder, 'file'), '')
    openStateFile(join(locked, 'state.json')).save(assignments)
    openStateFile(join(folder, 'file', 'state.json')).save(assignments)
    chmodSync(locked, 0o700)
    rmSync(folder, { recursive: true })
  })
})
