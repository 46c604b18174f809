// Members of structs and elements of arrays.
import { KernelMemory } from './kernel-memory.js'
import { nearest } from './nearest.js'
import type { Located } from './source.js'
import type { ast } from './syntax.js'
import { integerOf, integers, sizeOf, type Type } from './types.js'
import { describeValue, type PlaceValue, type Scope, type Value } from './values.js'

export abstract class MemberCompiler extends KernelMemory {
  abstract expression(node: ast.Expression, scope: Scope): Value

  /** The value of an expression that is read: what is in memory is loaded. */
  rvalue(node: ast.Expression, scope: Scope): Value {
    const value = this.expression(node, scope)
    if (value.kind === 'kernel place') return this.readKernel(value, node)
    return value.kind === 'place' && value.type.kind === 'int' ? this.load(value, node) : value
  }

  numeric(node: ast.Expression, scope: Scope) {
    return this.expectNumeric(this.rvalue(node, scope), node)
  }

  text(node: Located): string {
    return this.source.text.slice(node.start ?? 0, node.end ?? 0)
  }

  protected member(node: ast.MemberExpression, scope: Scope): Value {
    const object = this.expression(node.object as ast.Expression, scope)
    if (node.computed) return this.#element(object, node, scope)
    const name = (node.property as ast.Identifier).name
    switch (object.kind) {
      case 'pointer':
        this.expectPresent(node.object, scope)
        return this.#memberOf(
          { kind: 'place', base: object.reg, offset: 0, type: object.type, shared: object.shared },
          name,
          node,
        )
      case 'place':
        return this.#memberOf(object, name, node)
      case 'constants': {
        const value = object.values[name]
        if (value === undefined)
          this.source.fail(
            node.property,
            `${object.name} has no '${name}'`,
            nearest(name, Object.keys(object.values)),
          )
        return { kind: 'constant', value: BigInt(value) }
      }
      case 'kernel pointer':
        if (object.nullable) this.expectPresent(node.object, scope)
        return this.kernelMember(object, [], object.record.id, name, node)
      case 'kernel place': {
        const type = this.kernel.btf.resolve(object.path.typeId)
        if (type.kind === 'struct' || type.kind === 'union') {
          return this.kernelMember(object.pointer, object.path.steps, type.id, name, node)
        }
        const value = this.readKernel(object, node.object)
        if (value.kind === 'kernel pointer') return this.kernelMember(value, [], value.record.id, name, node)
      }
    }
    this.source.fail(node.property, `${describeValue(object)} has no member '${name}'`)
  }

  #memberOf(place: PlaceValue, name: string, node: ast.MemberExpression): Value {
    const { type } = place
    if (type.kind === 'int' && name === 'value') return place
    if (type.kind !== 'struct') {
      this.source.fail(
        node.property,
        `${this.text(node.object)} has no member '${name}'`,
        type.kind === 'int' ? `It is a ${type.name}: write ${this.text(node.object)}.value.` : undefined,
      )
    }
    const member = type.members.find((member) => member.name === name)
    if (member === undefined) {
      this.source.fail(
        node.property,
        `${type.name} has no member '${name}'`,
        nearest(
          name,
          type.members.map(({ name }) => name),
        ),
      )
    }
    return { ...place, offset: place.offset + member.offset, type: member.type }
  }

  #element(object: Value, node: ast.MemberExpression, scope: Scope): Value {
    const index = this.module.constant(node.property)
    if (object.kind === 'place' && (object.type.kind === 'array' || object.type.kind === 'chars')) {
      const { type } = object
      const of: Type = type.kind === 'chars' ? integers.u8! : type.of
      if (index === undefined) return this.#variableElement(object, of, type.length, node, scope)
      if (index < 0n || index >= BigInt(type.length)) {
        this.source.fail(node.property, `the array has ${type.length} elements, 0 to ${type.length - 1}`)
      }
      return { ...object, offset: object.offset + Number(index) * sizeOf(of), type: of }
    }
    if (object.kind === 'kernel place') return this.kernelElement(object, index, node)
    this.source.fail(node, `${describeValue(object)} has no elements`)
  }

  /** An element by a number that is only known when the program runs: it is kept within the array. */
  #variableElement(
    place: PlaceValue,
    of: Type,
    length: number,
    node: ast.MemberExpression,
    scope: Scope,
  ): Value {
    if ((length & (length - 1)) !== 0) {
      this.source.fail(
        node.property,
        'the index has to be a constant, unless the length of the array is a power of two',
        `Such an index is kept within the array: array<..., ${2 ** Math.ceil(Math.log2(length))}>.`,
      )
    }
    const index = this.inReg(
      this.convert(this.numeric(node.property as ast.Expression, scope), integerOf(4, false), node, true),
    )
    const [masked, scaled, base] = [this.newReg(), this.newReg(), this.newReg()]
    this.push({ op: 'alu', operation: 'and', bits: 32, d: masked, a: index, b: { imm: length - 1 } })
    this.push({ op: 'alu', operation: 'mul', bits: 64, d: scaled, a: masked, b: { imm: sizeOf(of) } })
    const start = this.newReg()
    if (place.base === 'frame') this.push({ op: 'frame', d: start, offset: place.offset })
    else
      this.push({ op: 'alu', operation: 'add', bits: 64, d: start, a: place.base, b: { imm: place.offset } })
    this.push({ op: 'alu', operation: 'add', bits: 64, d: base, a: start, b: { reg: scaled } })
    return { ...place, base, offset: 0, type: of }
  }

  /** A pointer that may be null cannot be followed. */
  expectPresent(node: ast.Node, scope: Scope): void {
    const name = node.type === 'Identifier' ? node.name : undefined
    const state = name === undefined ? 'maybe' : scope.get(name)?.state
    if (state === 'present') return
    if (state === 'given back') {
      this.source.fail(node, `the record '${name}' was submitted or discarded, and belongs to the reader`)
    }
    if (state === 'absent') this.source.fail(node, `'${name}' is null here`)
    this.source.fail(
      node,
      `${name === undefined ? 'this' : `'${name}'`} may be null here`,
      name === undefined
        ? 'Give it a name first, and compare that: if (!value) return 0.'
        : `Compare it first: if (!${name}) return 0.`,
    )
  }
}
