export { needPeer, type Peer, type PeerName } from './peers.ts'
