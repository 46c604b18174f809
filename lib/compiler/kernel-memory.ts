// Reading the kernel's memory: member access becomes CO-RE.
import type { PrototypeType } from '../asm/c-types.js'
import { Builder, type NumericValue } from './builder.js'
import type { Argument, Reg } from './ir.js'
import type { KernelTypes } from './kernel-types.js'
import type { Module, ModuleProgram } from './module.js'
import { nearest } from './nearest.js'
import type { Located } from './source.js'
import type { ast } from './syntax.js'
import { isOlder, type Target } from './target.js'
import { type IntType, integerOf, u64 } from './types.js'
import type { Unit } from './unit.js'
import type { KernelPlaceValue, KernelPointerValue, NumberValue, Value } from './values.js'

/** Records of tracepoints whose arguments have no names. */
const systemCallHints: Readonly<Record<string, string>> = {
  trace_event_raw_sys_enter: 'The arguments of a system call are numbers: ctx.args[0] to ctx.args[5].',
  trace_event_raw_sys_exit: 'The result of a system call is ctx.ret.',
}

export abstract class KernelMemory extends Builder {
  readonly unit: Unit
  readonly module: Module
  readonly kernel: KernelTypes
  readonly target: Target
  /** The program that is compiled. */
  readonly program: ModuleProgram
  /** The register with the program's context; undefined in functions that do not get it. */
  context: Reg | undefined

  constructor(unit: Unit, program: ModuleProgram) {
    super(unit.module.source)
    this.unit = unit
    this.module = unit.module
    this.kernel = unit.kernel
    this.target = unit.target
    this.program = program
  }

  protected override get hasSigns(): boolean {
    return this.unit.has('6.6')
  }

  /** The program's context, for a helper that takes it. */
  contextFor(node: Located): Reg {
    return (
      this.context ??
      this.source.fail(
        node,
        'this needs the context of the program, which this function does not get',
        'Call it in the program itself, or give the function the packet as its argument.',
      )
    )
  }

  /** Refuses what the oldest kernel that the program has to load into does not have. */
  expectKernel(version: string, node: Located, what: string, hint?: string): void {
    const { oldestKernel } = this.target
    if (oldestKernel === undefined || !isOlder(oldestKernel, version)) return
    this.source.fail(
      node,
      `${what} needs Linux ${version}, and the program has to load into ${oldestKernel}`,
      hint,
    )
  }

  /** Calls a function of the kernel. */
  callKfunc({ name, type }: { name: string; type: PrototypeType }, args: readonly Argument[]): Reg {
    const d = this.newReg()
    this.push({ op: 'call', d, callee: { kfunc: this.unit.kfunc(name, type) }, args })
    this.returnCopies(args)
    return d
  }

  kernelElement(
    { pointer, path, kind }: KernelPlaceValue,
    index: bigint | undefined,
    node: ast.MemberExpression | ast.OptionalMemberExpression,
  ): KernelPlaceValue {
    const type = this.kernel.btf.resolve(path.typeId)
    if (type.kind !== 'array') this.source.fail(node, `this part of struct ${path.root.name} is not an array`)
    if (index === undefined)
      this.source.fail(node.property, 'the index into an array of the kernel has to be a constant')
    if (index < 0n || (type.length > 0 && index >= BigInt(type.length))) {
      this.source.fail(node.property, `the array has ${type.length} elements, 0 to ${type.length - 1}`)
    }
    return {
      kind,
      pointer,
      path: { root: path.root, steps: [...path.steps, Number(index)], typeId: type.typeId },
    }
  }

  kernelMember(
    pointer: KernelPointerValue,
    steps: readonly (string | number)[],
    recordId: number,
    name: string,
    node: { readonly property: Located },
  ): KernelPlaceValue {
    const record = this.kernel.btf.resolve(recordId)
    if (record.kind !== 'struct' && record.kind !== 'union')
      this.source.fail(node.property, 'this has no members')
    const member = this.kernel.member(record, name)
    if (member === undefined) {
      this.source.fail(
        node.property,
        `struct ${record.name} has no member '${name}' in this kernel`,
        systemCallHints[record.name] ?? nearest(name, this.kernel.memberNames(record)),
      )
    }
    const { typeId, bitfieldSize: bits } = member
    return {
      kind: 'kernel place',
      pointer,
      path: { root: pointer.record, steps: [...steps, name], typeId, ...(bits > 0 && { bits }) },
    }
  }

  /** Whether a part of a kernel struct is a number or a pointer, and not an array or another struct. */
  isReadable({ path }: KernelPlaceValue): boolean {
    return ['int', 'enum', 'enum64', 'ptr'].includes(this.kernel.btf.resolve(path.typeId).kind)
  }

  /** Reads a part of a kernel struct: a number, or a pointer to another one. */
  readKernel(value: KernelPlaceValue, node: Located): Value {
    const type = this.kernel.btf.resolve(value.path.typeId)
    switch (type.kind) {
      case 'int':
      case 'enum':
      case 'enum64': {
        const isSigned = type.signed && !(type.kind === 'int' && type.bool)
        if (value.path.bits !== undefined) return this.#loadBits(value, value.path.bits, isSigned)
        const number = this.#loadKernel(value, integerOf(type.size, isSigned))
        if (!this.kernel.isBigEndian(value.path.typeId)) return number
        return { ...number, reg: this.swap(number.reg, type.size * 8) }
      }
      case 'ptr': {
        const to = this.kernel.btf.resolve(type.typeId)
        const { reg } = this.#loadKernel(value, u64)
        if (to.kind === 'struct' || to.kind === 'union') {
          const { trusted, isBuffer, underRcu } = value.pointer
          const rest = { trusted: trusted && !isBuffer, ...(underRcu && { underRcu }) }
          return { kind: 'kernel pointer', reg, record: to, ...rest }
        }
        return { kind: 'number', reg, type: u64 }
      }
      case 'array':
        this.source.fail(
          node,
          'an array of the kernel can only be assigned to a char<N> or bytes<N>',
          "Text is also compared with a literal: comm === 'bash', comm.startsWith('ba').",
        )
        break
      default:
        this.source.fail(node, `a struct inside of another has to be read member by member`)
    }
  }

  /** Reads a bitfield: the bytes that it is in, which are shifted until no other bits are left. */
  #loadBits(value: KernelPlaceValue, bits: number, isSigned: boolean): NumberValue {
    const { path } = value
    const slot = this.scratchSlot()
    this.clear('frame', slot, 8)
    const asked = (question: 'size' | 'shiftLeft' | 'shiftRight', number: bigint): Reg => {
      const d = this.newReg()
      this.push({ op: 'const', d, value: number, core: this.kernel.ask(path, question) })
      return d
    }
    this.call('probe_read_kernel', [
      { frame: slot },
      { reg: asked('size', 8n) },
      { reg: this.kernelAddress(value) },
    ])
    const [whole, left, d] = [this.newReg(), this.newReg(), this.newReg()]
    this.push({ op: 'load', d: whole, base: 'frame', offset: slot, size: 8 })
    const [leftBits, rightBits] = [asked('shiftLeft', 0n), asked('shiftRight', BigInt(64 - bits))]
    this.push({ op: 'alu', operation: 'lsh', bits: 64, d: left, a: whole, b: { reg: leftBits } })
    const operation = isSigned ? 'arsh' : 'rsh'
    this.push({ op: 'alu', operation, bits: 64, d, a: left, b: { reg: rightBits } })
    if (bits > 32) return { kind: 'number', reg: d, type: integerOf(8, isSigned) }
    const cut = this.newReg()
    this.push({ op: 'move', d: cut, s: d, bits: 32 })
    return { kind: 'number', reg: cut, type: integerOf(4, isSigned) }
  }

  #loadKernel({ pointer, path }: KernelPlaceValue, type: IntType): NumberValue {
    const { core, offset } = this.kernel.offsetOf(path)
    if (!pointer.trusted) {
      const address = this.kernelAddress({ kind: 'kernel place', pointer, path })
      return this.loaded({ kind: 'number', reg: this.probe('probe_read_kernel', type.size, address), type })
    }
    const d = this.newReg()
    this.push({ op: 'load', d, base: pointer.reg, offset, size: type.size, core })
    return this.loaded({ kind: 'number', reg: d, type })
  }

  /** Writes a number into a kernel struct. Which members a program may write to is known to the verifier alone. */
  storeKernel(
    place: KernelPlaceValue,
    value: NumericValue,
    target: Located,
    node: Located,
    isCast = false,
  ): void {
    const { pointer, path } = place
    const type = this.kernel.btf.resolve(path.typeId)
    const isNumber = type.kind === 'int' || type.kind === 'enum' || type.kind === 'enum64'
    if (!isNumber || path.bits !== undefined)
      this.source.fail(target, 'only whole numbers of the kernel can be written')
    if (!pointer.trusted)
      this.source.fail(target, 'the verifier does not know this pointer, so it cannot be written to')
    const wanted = integerOf(type.size, type.signed && !(type.kind === 'int' && type.bool))
    let reg = this.inReg(this.convert(value, wanted, node, isCast))
    if (this.kernel.isBigEndian(path.typeId)) reg = this.swap(reg, type.size * 8)
    const { core, offset } = this.kernel.offsetOf(path)
    this.push({ op: 'store', base: pointer.reg, offset, size: type.size, value: { reg }, core })
  }

  /** The address of a part of a kernel struct. */
  kernelAddress({ pointer, path }: KernelPlaceValue): number {
    const { core, offset } = this.kernel.offsetOf(path)
    const d = this.newReg()
    this.push({ op: 'alu', operation: 'add', bits: 64, d, a: pointer.reg, b: { imm: offset }, core })
    return d
  }
}
