/**
 * Turns numbers and bytes that programs record into text: addresses, times, cgroups, interfaces, errors, signals.
 *
 * @packageDocumentation
 */
export { fromBe16, fromBe32, ipAddress, macAddress, type RawAddress } from './format/address.js'
export { cgroupId, cgroupPath, device, errorName, interfaceName, signalName } from './format/names.js'
export { systemCallName } from './format/system-calls.js'
export { ktimeToDate } from './format/time.js'
