/** The resource types that the control plane serves. */
export const typeUrls = {
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoints: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  routes: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
} as const
