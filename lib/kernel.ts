/**
 * BPF programs in TypeScript: the functions and types that they are written with, and the compiler.
 *
 * @packageDocumentation
 */
export { type CompiledProgram, type CompileOptions, type CompileResult, compile } from './compiler/compile.js'
export * from './compiler/language.js'
export { CompileError, type Place } from './compiler/source.js'
