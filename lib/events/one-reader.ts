import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'

/** Explains the error for a map that has a reader already, see binding/map_reader.h. @internal */
export function whyBusy({ errno }: NativeError, map: string): string | undefined {
  return errno === constants.errno.EBUSY
    ? `map '${map}' already has a reader in this process, maybe in another Worker; close that reader first`
    : undefined
}
