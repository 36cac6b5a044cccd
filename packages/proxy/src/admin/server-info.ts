/** `/ready` and `/server_info`. */
import { toJson } from '@bufbuild/protobuf'
import { NodeSchema } from '@aeraki/xds/gen-lean/envoy/config/core/v3/base_pb.ts'
import { userAgentVersion } from '../config/bootstrap.ts'
import { registry } from '../config/registry.ts'
import { jsonPage, textPage, type AdminContext, type Page } from './context.ts'

export function readyPage(context: AdminContext): Page {
  const state = context.state()
  return textPage(state, state === 'LIVE' ? 200 : 503)
}

export function serverInfoPage(context: AdminContext): Page {
  const bun = process.versions['bun']
  const target = context.bootstrap.controlPlane?.target
  const uptime = Math.floor((Date.now() - context.startedAt.getTime()) / 1000)
  return jsonPage({
    version: `${userAgentVersion}/aeraki-proxy/${bun === undefined ? `node ${process.versions.node}` : `bun ${bun}`}`,
    state: context.state(),
    uptime_current_epoch: `${uptime}s`,
    uptime_all_epochs: `${uptime}s`,
    concurrency: context.concurrency,
    runtime: bun === undefined ? 'node' : 'bun',
    pid: process.pid,
    control_plane: target === undefined ? null : { target, ...context.controlPlane() },
    memory: process.memoryUsage(),
    node: toJson(NodeSchema, context.bootstrap.node, { registry, useProtoFieldName: true }),
  })
}
