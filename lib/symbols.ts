/**
 * Names for addresses: of the kernel, of processes, and of the stacks that programs record.
 *
 * @packageDocumentation
 */
export type { Frame } from './symbols/frame.js'
export { type BuildIdFrame, type FrameOptions, Symbols, type UserOptions } from './symbols/symbols.js'
