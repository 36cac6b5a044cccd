import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { defaultAddressBlock, parseAddressBlock } from '../src/outputs/kubernetes/address-block.ts'

describe('a block of addresses', () => {
  test('is 240.241.0.0/16 where none is given, without its first and its last address', () => {
    assert.equal(defaultAddressBlock.size, 65_534)
    assert.equal(defaultAddressBlock.at(0), '240.241.0.1')
    assert.equal(defaultAddressBlock.at(65_533), '240.241.255.254')
    assert.ok(!defaultAddressBlock.has('240.241.0.0'))
    assert.ok(!defaultAddressBlock.has('240.242.0.1'))
    assert.ok(!defaultAddressBlock.has('::1'))
  })

  test('has exactly the addresses that it gives', () => {
    const blocks = fc.record({ bits: fc.integer({ min: 8, max: 28 }), network: fc.nat(2 ** 32 - 1), index: fc.nat() })
    fc.assert(
      fc.property(blocks, ({ bits, network, index }) => {
        const count = 2 ** (32 - bits)
        const first = network - (network % count)
        const dotted = [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join('.')
        const parsed = parseAddressBlock(`${dotted}/${bits}`)
        fc.pre(parsed.kind === 'block')
        assert.equal(parsed.block.size, count - 2)
        assert.ok(parsed.block.has(parsed.block.at(index % parsed.block.size)))
        assert.ok(!parsed.block.has(dotted))
      }),
    )
  })

  const wrong: readonly (readonly [text: string, problem: RegExp])[] = [
    ['', /no block/],
    ['240.241.0.0', /no block/],
    ['240.241.0.0/x', /no block/],
    ['240.241.0.0/16/8', /no block/],
    ['fd00::/64', /no block/],
    ['240.241.0.0/4', /from \/8 to \/28/],
    ['240.241.0.0/30', /from \/8 to \/28/],
    ['240.241.0.1/16', /240\.241\.0\.0$/],
    ['240.240.0.0/16', /Istio's own/],
    ['240.240.128.0/24', /Istio's own/],
    ['240.0.0.0/8', /Istio's own/],
  ]
  for (const [text, problem] of wrong) {
    test(`"${text}" is refused`, () => {
      const parsed = parseAddressBlock(text)
      assert.equal(parsed.kind, 'wrong')
      assert.match(parsed.problem, problem)
    })
  }
})
