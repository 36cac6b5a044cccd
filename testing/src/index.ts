export { needPeer, type Peer, type PeerName } from './peers.ts'
export {
  startJavaConsumer,
  startJavaProvider,
  type ConsumerOptions,
  type JavaCall,
  type JavaConsumer,
  type JavaMethod,
  type JavaProvider,
  type ProviderOptions,
} from './dubbo-java.ts'
