/**
 * Runs BPF programs in user space, for unit tests: without a kernel, without privileges, on any machine.
 *
 * @packageDocumentation
 */
export { type Coverage, coverageOf, lcov } from './testing/coverage.js'
export { EmulatedProgram, EmulatedTestMap, Emulator, type EmulatorOptions } from './testing/emulator.js'
export { EmulatorError, type FaultPlace } from './testing/fault.js'
export { KernelObject, openInKernel } from './testing/kernel-object.js'
export type { KernelValue } from './testing/kernel-values.js'
export type { Environment, Helper, Machine, MachineOptions } from './testing/machine.js'
export { matchers } from './testing/matchers.js'
export type { SkbFields, XdpFields } from './testing/packet-context.js'
export * from './testing/packets.js'
export {
  type KernelStruct,
  type RunOptions,
  type RunResult,
  struct,
  type TestMap,
  type TestObject,
  type TestProgram,
} from './testing/test-object.js'
