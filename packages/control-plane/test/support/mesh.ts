/** A pipeline without network or files: YAML in, resources out. */
import { create, fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import { loadResources } from '@aeraki/api'
import { NodeSchema, type Node } from '@aeraki/xds/gen/envoy/config/core/v3/base_pb.ts'
import type { NodeView, Resource } from '@aeraki/xds'
import type { RouteDelivery } from '../../src/envoy-filter/delivery.ts'
import { createPipeline, type Pipeline } from '../../src/pipeline.ts'
import { createVipAllocator, type VipAllocator } from '../../src/vip/allocator.ts'

export interface TestMesh extends Pipeline {
  /** Replaces the file's content. */
  write(file: string, yaml: string): void
  remove(file: string): void
  view(node?: NodeOptions): NodeView
  readonly vips: VipAllocator
}

export interface NodeOptions {
  /** Default: sidecar. */
  readonly type?: 'sidecar' | 'router'
  readonly ip?: string
  readonly namespace?: string
  readonly locality?: { region: string; zone?: string; subZone?: string }
  readonly labels?: Record<string, string>
  readonly appAddress?: string
  /** A stock Envoy. */
  readonly envoy?: {
    readonly intercepted?: boolean
    /** Types of the network filters that it says it has. */
    readonly filterTypes?: readonly string[]
  }
}

export interface MeshOptions {
  readonly vips?: VipAllocator
  readonly delivery?: RouteDelivery
  readonly clusterDomain?: string
}

export function createTestMesh({ vips = createVipAllocator(), delivery, clusterDomain }: MeshOptions = {}): TestMesh {
  const pipeline = createPipeline({
    vips,
    rootNamespace: 'istio-system',
    saveVips: () => {},
    clusterDomain,
    ...(delivery === undefined ? {} : { delivery }),
  })
  return Object.assign(Object.create(pipeline) as Pipeline, {
    vips,
    write(file: string, yaml: string) {
      const { objects, diagnostics } = loadResources(yaml, file)
      pipeline.accept([{ origin: file, state: 'present', objects, diagnostics }])
    },
    remove(file: string) {
      pipeline.accept([{ origin: file, state: 'removed', objects: [], diagnostics: [] }])
    },
    view: (node: NodeOptions = {}) => pipeline.output.connect(testNode(node)),
  })
}

export function testNode(options: NodeOptions): Node {
  const { type = 'sidecar', ip = '127.0.9.9', namespace = 'default', locality, labels, appAddress, envoy } = options
  return create(NodeSchema, {
    id: `${type}~${ip}~client.${namespace}~${namespace}.svc.cluster.local`,
    ...(locality === undefined ? {} : { locality }),
    metadata: {
      NAMESPACE: namespace,
      ...(labels === undefined ? {} : { LABELS: labels }),
      ...(appAddress === undefined ? {} : { AERAKI: { APP_ADDRESS: appAddress } }),
      ...(envoy?.intercepted === true ? { INTERCEPTION_MODE: 'REDIRECT' } : {}),
    },
    ...(envoy === undefined ? {} : { userAgentName: 'envoy' }),
    extensions: (envoy?.filterTypes ?? []).map((typeUrl) => ({
      category: 'envoy.filters.network',
      typeUrls: [typeUrl],
    })),
  })
}

export function read<Desc extends DescMessage>(schema: Desc, resource: Resource | undefined): MessageShape<Desc> {
  if (resource === undefined) throw new Error(`no ${schema.typeName}`)
  return fromBinary(schema, resource.any.value)
}
