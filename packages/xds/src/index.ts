export type { Change, NodeView, Resource, ResourceProvider } from './provider.ts'
export type { AdsClient, AdsClientOptions, AdsHandler, ClientState, Update } from './client-contract.ts'
