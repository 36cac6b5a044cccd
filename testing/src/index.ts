export { needPeer, type Peer, type PeerName } from './peers.ts'
export {
  startDubboConsumer,
  startDubboProvider,
  type CallOptions,
  type ConsumerOptions,
  type DubboCall,
  type DubboConsumer,
  type DubboMethod,
  type DubboProvider,
  type ProviderOptions,
} from './dubbo/peers.ts'
