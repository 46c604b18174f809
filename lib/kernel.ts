/**
 * The kernel side in TypeScript: the words of programs, and the compiler.
 *
 * @packageDocumentation
 */
export { type CompiledProgram, type CompileOptions, type CompileResult, compile } from './compiler/compile.js'
export * from './compiler/language.js'
export { CompileError, type Place } from './compiler/source.js'
