/**
 * Runs BPF programs in user space, for unit tests: without a kernel, without privileges, on any machine.
 *
 * @packageDocumentation
 */
export * from './testing/emulator.js'
export { EmulatorError, type FaultPlace } from './testing/fault.js'
export type { KernelValue } from './testing/kernel-values.js'
export type { Environment, Helper, Machine, MachineOptions } from './testing/machine.js'
export type { SkbFields, XdpFields } from './testing/packet-context.js'
