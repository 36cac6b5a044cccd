/** Every message type that may stand in an Any of a bootstrap, and that config dumps print, with all its fields. Loads 10 MB: see registry.ts. */
import { createRegistry, type DescFile } from '@bufbuild/protobuf'
import { file_aeraki_meta_protocol_proxy } from '@aeraki/xds/gen/aeraki/meta_protocol_proxy_pb.ts'
import { file_aeraki_router } from '@aeraki/xds/gen/aeraki/router_pb.ts'
import { file_envoy_config_bootstrap_v3_bootstrap } from '@aeraki/xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts'
import { file_envoy_config_route_v3_route } from '@aeraki/xds/gen/envoy/config/route/v3/route_pb.ts'
import { file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy } from '@aeraki/xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts'
import { file_udpa_type_v1_typed_struct } from '@aeraki/xds/gen/udpa/type/v1/typed_struct_pb.ts'
import { file_xds_type_v3_typed_struct } from '@aeraki/xds/gen/xds/type/v3/typed_struct_pb.ts'

/** A registry of files knows their own messages only: what they import has to be added. */
function withImports(files: readonly DescFile[], found = new Set<DescFile>()): ReadonlySet<DescFile> {
  for (const file of files) {
    if (found.has(file)) continue
    found.add(file)
    withImports(file.dependencies, found)
  }
  return found
}

export const fullRegistry = createRegistry(
  ...withImports([
    file_aeraki_meta_protocol_proxy,
    file_aeraki_router,
    file_envoy_config_bootstrap_v3_bootstrap,
    file_envoy_config_route_v3_route,
    file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy,
    file_udpa_type_v1_typed_struct,
    file_xds_type_v3_typed_struct,
  ]),
)
