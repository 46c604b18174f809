/**
 * AF_XDP sockets, which receive and send packets without the kernel's network stack.
 *
 * @packageDocumentation
 */
export type { XdpBatch } from './xdp/batch.js'
export type { XdpAction } from './xdp/components.js'
export {
  type XdpAttachOptions,
  type XdpComponent,
  XdpDispatcher,
  type XdpDispatcherOptions,
  type XdpDispatcherState,
} from './xdp/dispatcher.js'
export type { XdpFilter, XdpTimestamps } from './xdp/filter.js'
export { type XdpFrames, XdpMemory, type XdpMemoryOptions } from './xdp/memory.js'
export { type OnPacketOptions, onPacket, type PacketHook } from './xdp/on-packet.js'
export type { OnXdpOptions, XdpPacketHook } from './xdp/on-xdp.js'
export { type HasDescriptor, XdpRedirect, type XdpRedirectOptions } from './xdp/redirect.js'
export { XdpSocket, type XdpSocketOptions, type XdpStatistics } from './xdp/socket.js'
export type { XdpTxMetadata } from './xdp/tx-metadata.js'
