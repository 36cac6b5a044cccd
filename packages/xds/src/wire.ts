/** Looks into serialised messages without decoding them. */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'

/** The name of a resource: all xDS resources have it in field 1. Undefined when there is none; throws on malformed bytes. */
export function resourceName(bytes: Uint8Array): string | undefined {
  const reader = new BinaryReader(bytes)
  let name: string | undefined
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field === 1 && wireType === WireType.LengthDelimited) name = reader.string()
    else reader.skip(wireType, field)
  }
  return name
}

/**
 * The name under which an EDS cluster asks for its endpoints; undefined when the cluster isn't one.
 *
 *     message Cluster { string name = 1; DiscoveryType type = 2; EdsClusterConfig eds_cluster_config = 3; ... }
 *     message EdsClusterConfig { ConfigSource eds_config = 1; string service_name = 2; }
 */
export function edsName(cluster: Uint8Array): string | undefined {
  const known = edsNames.get(cluster)
  if (known !== undefined) return known.name
  const name = findEdsName(cluster)
  edsNames.set(cluster, { name })
  return name
}

/** Resources are shared between clients, so each is looked into once. */
const edsNames = new WeakMap<Uint8Array, { readonly name: string | undefined }>()
const eds = 3

function findEdsName(cluster: Uint8Array): string | undefined {
  const reader = new BinaryReader(cluster)
  let name = ''
  let serviceName = ''
  let type = 0
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field === 1) name = reader.string()
    else if (field === 2) type = reader.int32()
    else if (field === 3) serviceName = findServiceName(reader.bytes())
    else reader.skip(wireType, field)
  }
  if (type !== eds) return undefined
  return serviceName === '' ? name : serviceName
}

function findServiceName(config: Uint8Array): string {
  const reader = new BinaryReader(config)
  let serviceName = ''
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field === 2) serviceName = reader.string()
    else reader.skip(wireType, field)
  }
  return serviceName
}
