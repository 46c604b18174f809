import type { Helper } from '../machine.js'
import { dynptrHelpers } from './dynptr.js'
import { kernelHelpers } from './kernel.js'
import { mapHelpers } from './maps.js'
import { packetHelpers } from './packet.js'
import { ringHelpers } from './ring.js'

/** The helpers that are emulated, by name. */
export const allHelpers: Readonly<Record<string, Helper>> = {
  ...mapHelpers,
  ...ringHelpers,
  ...dynptrHelpers,
  ...kernelHelpers,
  ...packetHelpers,
}
