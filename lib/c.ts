/**
 * Compiles BPF programs in C at run time.
 *
 * @packageDocumentation
 */
export type { Architecture } from './codegen/architectures.js'
export { type CompileCOptions, type CompiledC, compileC, compileCFile } from './codegen/compile-c.js'
export { ClangError } from './codegen/compile-error.js'
export type { Diagnostic } from './codegen/diagnostics.js'
export { fetchCompiler } from './codegen/fetched-compiler.js'
