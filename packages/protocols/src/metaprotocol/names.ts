/** Names in the configuration of the MetaProtocol Proxy: Aeraki 1.4's, for its C++ filter and for ours. */
export const filterName = 'envoy.filters.network.meta_protocol_proxy'
export const routerName = 'aeraki.meta_protocol.filters.router'
