import { word } from './word.js'

type Variable = <T>(value?: T extends number ? number : never) => T

/** A variable that user space sets before the program is loaded, and that programs only read. */
export const rodata: Variable = word('rodata')
/** A variable that programs and user space can change. */
export const data: Variable = word('data')
/** A variable like `data`, but one that starts as zeros. */
export const bss: <T>() => T = word('bss')
/**
 * An option of the kernel's configuration: `kconfig<u32>('CONFIG_HZ')`. It is 0, false or empty if the kernel does not
 * have it. `'LINUX_KERNEL_VERSION'` is the version, as in 0x060c00 for Linux 6.12.
 */
export const kconfig: <T>(option: string) => T = word('kconfig')
