/**
 * BPF programs as data: instructions, and object files that are built without a compiler.
 *
 * @packageDocumentation
 */
export { type BtfBuildOptions, type BtfDefinition, buildBtf } from './asm/btf-builder.js'
export { type FunctionInfo, type ReadSection, readBtfExt } from './asm/btf-ext.js'
export * from './asm/builders.js'
export * as types from './asm/c-types.js'
export { label, splice } from './asm/edit.js'
export type { ElfFile, ElfRelocationInfo, ElfSectionInfo, ElfSymbolInfo } from './asm/elf-reader.js'
export { type HelperName, helperNames, helperNumber } from './asm/helper-names.js'
export * from './asm/instruction.js'
export type { AtomicOperation, Size } from './asm/isa.js'
export { instructionText, toText } from './asm/listing.js'
export type { MapDefinition } from './asm/map-definition.js'
export {
  type ObjectExtern,
  type ObjectFile,
  type ObjectFunction,
  type ObjectMap,
  type ObjectVariable,
  readObject,
} from './asm/object-reader.js'
export {
  buildObject,
  type ExternDefinition,
  type FunctionDefinition,
  type GlobalDefinition,
  type ObjectDefinition,
  type ProgramDefinition,
} from './asm/object-writer.js'
