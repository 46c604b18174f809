/**
 * Names for addresses: of the kernel, of processes, and of the stacks that programs record.
 *
 * @packageDocumentation
 */
export {
  type ContinuousOptions,
  ContinuousProfile,
  type PushStats,
  pushProfiles,
} from './profile/continuous.js'
export type { FlameGraphOptions } from './profile/flame-graph.js'
export type { FoldedOptions } from './profile/folded.js'
export { Profile, type ProfileInfo, type ProfileOptions, profile } from './profile/profile.js'
export { PushError, type PushTarget, pushProfile } from './profile/push.js'
export type { Sample } from './profile/sample.js'
export type { Speedscope } from './profile/speedscope.js'
export type { Hot } from './profile/tree.js'
export type { Frame, SourcePlace } from './symbols/frame.js'
export { enableJitNames, type JitNames } from './symbols/jit-names.js'
export {
  type BuildIdFrame,
  type BuildIdOptions,
  type FrameOptions,
  type LineOptions,
  Symbols,
  type UserOptions,
} from './symbols/symbols.js'
