/** Makes the lean messages: descriptors of the full ones, without the fields and types that nothing needs, through the plugin. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { create, fromBinary, isFieldSet, toBinary, type DescFile } from '@bufbuild/protobuf'
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  DescriptorProtoSchema,
  EnumDescriptorProtoSchema,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  ServiceDescriptorProtoSchema,
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
  type ServiceDescriptorProto,
} from '@bufbuild/protobuf/wkt'
import { keptFields, roots } from './lean-messages.ts'

/** Made of the generated full set, of which it is a part, into the folder, which is emptied first. */
export async function generateLeanMessages(plugin: string, options: readonly string[], out: string): Promise<void> {
  const { files } = await import('../packages/xds/src/gen/files.ts')
  const protoFile = trim([...withImports(files)].map(({ proto }) => proto))
  const request = create(CodeGeneratorRequestSchema, {
    fileToGenerate: protoFile.map(({ name }) => name).filter((name) => !name.startsWith('google/protobuf/')),
    parameter: options.join(','),
    protoFile,
  })
  const input = toBinary(CodeGeneratorRequestSchema, request)
  const response = fromBinary(CodeGeneratorResponseSchema, execFileSync(plugin, { input, maxBuffer: 64 * 1024 * 1024 }))
  if (response.error !== '') throw new Error(`${plugin}: ${response.error}`)
  rmSync(out, { recursive: true, force: true })
  for (const { name, content } of response.file) {
    mkdirSync(dirname(join(out, name)), { recursive: true })
    writeFileSync(join(out, name), content)
  }
}

/** Those of protobuf itself are in nobody's list. A file comes after what it imports. */
function withImports(files: readonly DescFile[], found = new Set<DescFile>()): ReadonlySet<DescFile> {
  for (const file of files) {
    if (found.has(file)) continue
    withImports(file.dependencies, found)
    found.add(file)
  }
  return found
}

/** The files that still have something in them, with nothing but what is reached from the roots. */
function trim(files: readonly FileDescriptorProto[]): FileDescriptorProto[] {
  const types = new Types(files)
  const reached = new Set<string>()
  const visit = (name: string): void => {
    if (reached.has(name)) return
    reached.add(name)
    for (const next of types.usedBy(name)) visit(next)
  }
  roots.forEach(visit)
  const unused = Object.keys(keptFields).filter((name) => !reached.has(name))
  if (unused.length > 0) throw new Error(`nothing leads to ${unused.join(', ')}: take them out of the list`)
  return files
    .map((file) => trimFile(file, types, reached))
    .filter((file) => file.messageType.length + file.enumType.length + file.service.length > 0)
}

/** Messages, enums and services by their full names. */
class Types {
  readonly #messages = new Map<string, DescriptorProto>()
  readonly #services = new Map<string, readonly string[]>()
  readonly #fileOf = new Map<string, string>()

  constructor(files: readonly FileDescriptorProto[]) {
    for (const file of files) {
      const add = (scope: string, message: DescriptorProto): void => {
        const name = `${scope}.${message.name}`
        this.#messages.set(name, message)
        this.#fileOf.set(name, file.name)
        for (const nested of message.nestedType) add(name, nested)
        for (const { name: own } of message.enumType) this.#fileOf.set(`${name}.${own}`, file.name)
      }
      for (const message of file.messageType) add(file.package, message)
      for (const { name } of file.enumType) this.#fileOf.set(`${file.package}.${name}`, file.name)
      for (const { name, method } of file.service) {
        const used = method.flatMap(({ inputType, outputType }) => [bare(inputType), bare(outputType)])
        this.#services.set(`${file.package}.${name}`, used)
        this.#fileOf.set(`${file.package}.${name}`, file.name)
      }
    }
  }

  /** What it refers to directly, by the fields that are kept. */
  usedBy(name: string): readonly string[] {
    this.fileOf(name)
    const message = this.#messages.get(name)
    if (message === undefined) return this.#services.get(name) ?? []
    return fieldsOf(name, message).flatMap(({ typeName }) => (typeName === '' ? [] : bare(typeName)))
  }

  fileOf(name: string): string {
    const file = this.#fileOf.get(name)
    if (file === undefined) throw new Error(`there is no ${name}`)
    return file
  }
}

function fieldsOf(name: string, message: DescriptorProto): readonly FieldDescriptorProto[] {
  const wanted = keptFields[name]
  if (wanted === undefined) return message.field
  const chosen = wanted.map((field) => {
    const found = message.field.find((each) => each.name === field)
    if (found === undefined) throw new Error(`${name} has no field ${field}`)
    return found
  })
  const oneofs = new Set(chosen.map(oneofOf))
  return message.field.filter((field) => {
    const oneof = oneofOf(field)
    return oneof === undefined ? chosen.includes(field) : oneofs.has(oneof)
  })
}

function oneofOf(field: FieldDescriptorProto): number | undefined {
  return isFieldSet(field, FieldDescriptorProtoSchema.field.oneofIndex) ? field.oneofIndex : undefined
}

function trimFile(file: FileDescriptorProto, types: Types, reached: ReadonlySet<string>): FileDescriptorProto {
  const within = (name: string): string => `${file.package}.${name}`
  const trimmed = create(FileDescriptorProtoSchema, {
    name: file.name,
    package: file.package,
    syntax: file.syntax,
    messageType: file.messageType.flatMap((message) => trimMessage(within(message.name), message, reached)),
    enumType: file.enumType.filter(({ name }) => reached.has(within(name))).map(trimEnum),
    service: file.service.filter(({ name }) => reached.has(within(name))).map(trimService),
  })
  const used = [...reached].filter((name) => types.fileOf(name) === file.name).flatMap((name) => types.usedBy(name))
  const imports = new Set(used.map((name) => types.fileOf(name)))
  trimmed.dependency = file.dependency.filter((path) => imports.has(path))
  return trimmed
}

/** None, when neither it nor one within it is reached. What is there for those within it alone has no fields. */
function trimMessage(name: string, message: DescriptorProto, reached: ReadonlySet<string>): DescriptorProto[] {
  const nestedType = message.nestedType.flatMap((nested) => trimMessage(`${name}.${nested.name}`, nested, reached))
  const enumType = message.enumType.filter((each) => reached.has(`${name}.${each.name}`)).map(trimEnum)
  if (!reached.has(name) && nestedType.length + enumType.length === 0) return []
  const fields = reached.has(name) ? fieldsOf(name, message) : []
  const oneofs = [...new Set(fields.map(oneofOf))].filter((oneof) => oneof !== undefined)
  const field = fields.map((each) => {
    const oneof = oneofOf(each)
    return create(FieldDescriptorProtoSchema, {
      name: each.name,
      number: each.number,
      label: each.label,
      type: each.type,
      typeName: each.typeName,
      jsonName: each.jsonName,
      proto3Optional: each.proto3Optional,
      ...(oneof === undefined ? {} : { oneofIndex: oneofs.indexOf(oneof) }),
    })
  })
  const oneofDecl = oneofs.map((index) => ({ name: message.oneofDecl[index]?.name ?? '' }))
  const options = message.options?.mapEntry === true ? { mapEntry: true } : undefined
  return [
    create(DescriptorProtoSchema, {
      name: message.name,
      field,
      nestedType,
      enumType,
      oneofDecl,
      ...(options === undefined ? {} : { options }),
    }),
  ]
}

function trimEnum(type: EnumDescriptorProto): EnumDescriptorProto {
  const value = type.value.map(({ name, number }) => ({ name, number }))
  const options = type.options?.allowAlias === true ? { options: { allowAlias: true } } : {}
  return create(EnumDescriptorProtoSchema, { name: type.name, value, ...options })
}

function trimService(service: ServiceDescriptorProto): ServiceDescriptorProto {
  const method = service.method.map(({ name, inputType, outputType, clientStreaming, serverStreaming }) => ({
    name,
    inputType,
    outputType,
    clientStreaming,
    serverStreaming,
  }))
  return create(ServiceDescriptorProtoSchema, { name: service.name, method })
}

/** Descriptors name types with a dot in front. */
function bare(typeName: string): string {
  return typeName.replace(/^\./, '')
}
