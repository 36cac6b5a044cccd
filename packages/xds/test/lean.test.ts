/** The lean messages (`gen-lean`) against the full ones (`gen`), of which they are made. */
import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import {
  createRegistry,
  type DescEnum,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescService,
} from '@bufbuild/protobuf'
import { registry as full } from '@aeraki/xds/registry'

const folder = fileURLToPath(new URL('../src/gen-lean', import.meta.url))
const files: DescFile[] = []
for (const path of globSync('**/*_pb.ts', { cwd: folder })) {
  const module = (await import(pathToFileURL(join(folder, path)).href)) as Record<string, DescFile>
  files.push(...Object.values(module).filter((each) => each?.kind === 'file'))
}
const lean = [...createRegistry(...files)]

/** All that bytes and JSON depend on. */
function shapeOf(field: DescField): unknown {
  const { name, number, jsonName, localName, fieldKind, presence, proto } = field
  return {
    name,
    number,
    jsonName,
    localName,
    fieldKind,
    presence,
    type: proto.type,
    label: proto.label,
    of: field.message?.typeName ?? field.enum?.typeName,
    list: field.fieldKind === 'list' && [field.listKind, field.packed],
    map: field.fieldKind === 'map' && [field.mapKey, field.mapKind],
    oneof: field.oneof?.name,
  }
}

test('every field of a lean message is one of the full message, and a oneof has all its cases or none', () => {
  const messages = lean.filter((each): each is DescMessage => each.kind === 'message')
  assert.ok(messages.length > 50, `${messages.length} messages`)
  for (const message of messages) {
    const whole = full.getMessage(message.typeName)
    assert.ok(whole, message.typeName)
    for (const field of message.fields) {
      const same: DescField | undefined = whole.fields.find(({ number }) => number === field.number)
      assert.ok(same, String(field))
      assert.deepEqual(shapeOf(field), shapeOf(same), String(field))
    }
    for (const oneof of message.oneofs) {
      const cases: readonly string[] | undefined = whole.oneofs
        .find(({ name }) => name === oneof.name)
        ?.fields.map(({ name }) => name)
      assert.deepEqual(
        oneof.fields.map(({ name }) => name),
        cases,
        String(oneof),
      )
    }
  }
})

function values(type: DescEnum): unknown {
  return type.values.map(({ name, number }) => [name, number])
}

function methods(service: DescService): unknown {
  return service.methods.map(({ name, input, output, methodKind }) => [
    name,
    input.typeName,
    output.typeName,
    methodKind,
  ])
}

test('lean enums and services are the full ones', () => {
  const seen = new Set<string>()
  for (const each of lean) {
    seen.add(each.kind)
    if (each.kind === 'enum') {
      const whole = full.getEnum(each.typeName)
      assert.ok(whole, each.typeName)
      assert.deepEqual(values(each), values(whole), each.typeName)
    } else if (each.kind === 'service') {
      const whole = full.getService(each.typeName)
      assert.ok(whole, each.typeName)
      assert.deepEqual(methods(each), methods(whole), each.typeName)
    }
  }
  assert.ok(seen.has('enum') && seen.has('service'))
})

test('messages that others see whole, nodes and discovery requests, lack no field', () => {
  for (const name of ['core.v3.Node', 'core.v3.Locality', 'core.v3.Address', 'core.v3.Metadata']) {
    assertWhole(`envoy.config.${name}`)
  }
  for (const name of ['', 'Delta']) {
    assertWhole(`envoy.service.discovery.v3.${name}DiscoveryRequest`)
    assertWhole(`envoy.service.discovery.v3.${name}DiscoveryResponse`)
  }
})

/** The message, and those within it. */
function assertWhole(typeName: string, seen = new Set<string>()): void {
  if (seen.has(typeName)) return
  seen.add(typeName)
  const message = lean.find((each): each is DescMessage => each.kind === 'message' && each.typeName === typeName)
  // Protobuf's own are the same for both.
  if (typeName.startsWith('google.protobuf.')) return
  assert.ok(message, typeName)
  assert.deepEqual(message.fields.map(String), full.getMessage(typeName)?.fields.map(String), typeName)
  for (const field of message.fields) if (field.message !== undefined) assertWhole(field.message.typeName, seen)
}
