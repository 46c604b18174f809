import { word } from './word.js'

type Variable = <T>(value?: T extends number ? number : never) => T

/** A variable that user space sets before the program is loaded, and that programs only read. */
export const rodata: Variable = word('rodata')
/** A variable that programs and user space change. */
export const data: Variable = word('data')
/** The same, which begins as zeros. */
export const bss: <T>() => T = word('bss')
