// The words of programs for the kernel, as TypeScript sees them: for editors and tsc. The compiler reads the text of a program and never runs it.
export * from './language/contexts.js'
export * from './language/globals.js'
export * from './language/helpers.js'
export * from './language/hooks.js'
export * from './language/maps.js'
export * from './language/packets.js'
export * from './language/statements.js'
export * from './language/types.js'
