import type { Socket as DatagramSocket } from 'node:dgram'
import type { Server, Socket } from 'node:net'

interface Handle {
  fd: number
}

/** The descriptor of a socket, for which Node.js has no public API. */
export function fdOf(socket: Server | Socket | DatagramSocket): number {
  const { _handle } = socket as unknown as { _handle?: Handle }
  if (_handle !== undefined) return _handle.fd
  // Datagram sockets have no such property since Node.js 26.
  const state = Object.getOwnPropertySymbols(socket).find(
    ({ description }) => description === 'state symbol',
  )!
  return (socket as unknown as Record<symbol, { handle: Handle }>)[state]!.handle.fd
}
