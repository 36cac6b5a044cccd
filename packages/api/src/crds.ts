/**
 * The CustomResourceDefinitions of Aeraki's own kinds, out of the schemas that validate them. Kubernetes wants a structural
 * schema: no references, and an object is either closed by `properties` (what is unknown is pruned) or a map by
 * `additionalProperties`.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
import { stringify } from 'yaml'
import { isRecord } from './guards.ts'
import { definitionOf, type Kind } from './kinds.ts'
import { StringMatch } from './schema/builders.ts'

interface CrdNames {
  readonly kind: Kind
  readonly plural: string
  readonly shortNames?: readonly string[]
  readonly categories: readonly string[]
  readonly description: string
  readonly columns: readonly { readonly name: string; readonly path: string; readonly description: string }[]
}

const crds: readonly CrdNames[] = [
  {
    kind: 'MetaRouter',
    plural: 'metarouters',
    categories: ['aeraki-io', 'metaprotocol-aeraki-io'],
    description: 'Routes, mutations and rate limits for a service of any layer-7 protocol.',
    columns: [{ name: 'Hosts', path: '.spec.hosts', description: 'The service that the routes are for' }],
  },
  {
    kind: 'ApplicationProtocol',
    plural: 'applicationprotocols',
    categories: ['aeraki-io', 'metaprotocol-aeraki-io'],
    description: 'A layer-7 protocol and the codec that the proxy reads it with.',
    columns: [
      { name: 'Protocol', path: '.spec.protocol', description: 'Name of the protocol in port names' },
      { name: 'Codec', path: '.spec.codec', description: 'Name of the codec in the proxy' },
    ],
  },
  {
    kind: 'RedisService',
    plural: 'redisservices',
    shortNames: ['rsvc'],
    categories: ['redis-aeraki-io'],
    description: 'How clients reach Redis: routes by key, authentication, faults.',
    columns: [{ name: 'Hosts', path: '.spec.host', description: 'The services that this is for' }],
  },
  {
    kind: 'RedisDestination',
    plural: 'redisdestinations',
    shortNames: ['rd'],
    categories: ['redis-aeraki-io'],
    description: 'How a Redis server is reached: mode, connections, authentication.',
    columns: [{ name: 'Host', path: '.spec.host', description: 'The server that this is for' }],
  },
  {
    kind: 'DubboAuthorizationPolicy',
    plural: 'dubboauthorizationpolicies',
    shortNames: ['dap'],
    categories: ['aeraki-io', 'dubbo-aeraki-io'],
    description: 'Who may call which Dubbo interfaces and methods.',
    columns: [{ name: 'Action', path: '.spec.action', description: 'What becomes of a call that a rule takes' }],
  },
]

const conditions = {
  Accepted: 'Whether the object is valid',
  Programmed: 'Whether the object is in force',
} as const

/** As Kubernetes' own kinds have it, so that `kubectl wait --for=condition=Accepted` works. */
const status = {
  type: 'object',
  properties: {
    observedGeneration: { type: 'integer', format: 'int64' },
    conditions: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: {
        type: 'object',
        required: ['type', 'status', 'reason', 'message', 'lastTransitionTime'],
        properties: {
          type: { type: 'string' },
          status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
          reason: { type: 'string' },
          message: { type: 'string' },
          observedGeneration: { type: 'integer', format: 'int64' },
          lastTransitionTime: { type: 'string', format: 'date-time' },
        },
      },
    },
  },
  // Earlier versions left it open.
  'x-kubernetes-preserve-unknown-fields': true,
} as const

const header = '# Generated from packages/api/src/schema by npm run generate. Do not edit.\n'

/** File name to content, for manifests/crds. */
export function generateCrds(): ReadonlyMap<string, string> {
  const files = crds.map((names): [string, string] => {
    const { group } = definitionOf(names.kind)
    return [
      `${group}_${names.plural}.yaml`,
      header + stringify(toCrd(names), { lineWidth: 0, aliasDuplicateObjects: false }),
    ]
  })
  return new Map(files)
}

function toCrd({ kind, plural, shortNames, categories, description, columns }: CrdNames): Record<string, unknown> {
  const { group, versions, scope, schema } = definitionOf(kind)
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${group}`,
      annotations: { 'helm.sh/resource-policy': 'keep' },
      labels: { app: 'aeraki' },
    },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        ...(shortNames === undefined ? {} : { shortNames }),
        categories,
      },
      scope,
      versions: versions.map((version) => ({
        name: version,
        served: true,
        storage: version === versions[0],
        subresources: { status: {} },
        additionalPrinterColumns: [
          ...columns.map(({ name, path, description: about }) => ({
            name,
            type: 'string',
            description: about,
            jsonPath: path,
          })),
          ...(['Accepted', 'Programmed'] as const).map((type) => ({
            name: type,
            type: 'string',
            description: conditions[type],
            jsonPath: `.status.conditions[?(@.type=="${type}")].status`,
          })),
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            description,
            required: ['spec'],
            properties: {
              spec: toStructural(schema),
              status,
            },
          },
        },
      })),
    },
  }
}

/** Keywords that mean the same in JSON Schema and in a structural schema. */
const kept = [
  'type',
  'description',
  'enum',
  'format',
  'minimum',
  'maximum',
  'minItems',
  'minLength',
  'required',
] as const

function toStructural(schema: unknown): Record<string, unknown> {
  if (!isRecord(schema)) throw new TypeError('not a schema')
  const structural: Record<string, unknown> = {}
  for (const keyword of kept) if (schema[keyword] !== undefined) structural[keyword] = schema[keyword]
  // Envoy's and Go's durations are not the format that Kubernetes knows by that name.
  if (schema['format'] === 'duration') delete structural['format']
  const { properties, items, additionalProperties } = schema
  if (isRecord(properties)) {
    structural['properties'] = Object.fromEntries(
      Object.entries(properties).map(([name, property]) => [name, toStructural(property)]),
    )
  } else if (isRecord(additionalProperties)) {
    const values = toStructural(additionalProperties)
    const isCondition = Object.is(additionalProperties, StringMatch)
    // A condition without anything, `user:`, asks for presence, so it has to survive.
    structural['additionalProperties'] = isCondition ? { ...values, nullable: true } : values
  } else if (schema['type'] === 'object') {
    structural['x-kubernetes-preserve-unknown-fields'] = true
  }
  if (items !== undefined) structural['items'] = toStructural(items)
  return structural
}
