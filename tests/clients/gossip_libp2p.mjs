// A js-libp2p peer in a gossip mesh: node gossip_libp2p.mjs TOPIC ADDRESS...
//
// Dials the addresses and follows the topic. Each line on standard input is published; standard output has the peer's
// own multiaddress first and then every message that arrives, a line each. It ends with its input.

import { createInterface } from 'node:readline'

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const [topic, ...addresses] = process.argv.slice(2)
const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), pubsub: gossipsub({ allowPublishToZeroTopicPeers: true }) }
})
const { pubsub } = node.services
pubsub.addEventListener('message', ({ detail }) => {
  if (detail.topic === topic) console.log(new TextDecoder().decode(detail.data))
})
pubsub.subscribe(topic)
for (const address of addresses) await node.dial(multiaddr(address))
console.log(node.getMultiaddrs()[0].toString())
for await (const line of createInterface({ input: process.stdin })) {
  await pubsub.publish(topic, new TextEncoder().encode(line))
}
await node.stop()
