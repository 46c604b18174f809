/**
 * Lists the hooks that programs can be attached to on this machine, and what programs receive there.
 *
 * @packageDocumentation
 */
export { toC } from './hooks/c.js'
export type { Hook, HookKind, HookParameter } from './hooks/hook.js'
export { type HookOptions, listHooks } from './hooks/list.js'
export { toTypeScript } from './hooks/typescript.js'
