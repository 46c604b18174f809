// Members of structs and elements of arrays.

import type { NumericValue } from './builder.js'
import { contextMember } from './contexts.js'
import { flavorElement, flavorMember, readFlavor } from './flavors.js'
import { locatedText } from './hooks/records.js'
import type { Reg } from './ir.js'
import { KernelMemory } from './kernel-memory.js'
import { loadPointer, rootPlace } from './maps/arena.js'
import { nearest } from './nearest.js'
import { own } from './own.js'
import { edge, packetLength } from './packet-edges.js'
import type { Located } from './source.js'
import type { ast } from './syntax.js'
import { describe, integerOf, integers, sizeOf, type Type, u32 } from './types.js'
import { behindPointer, followed, readUser, userAt, userElement, userMember } from './user-memory.js'
import {
  alignmentOf,
  type DynptrValue,
  describeValue,
  type NumberValue,
  owedOf,
  type PlaceValue,
  type PointerValue,
  type Scope,
  type UserPlaceValue,
  type Value,
} from './values.js'

type MemberNode = ast.MemberExpression | ast.OptionalMemberExpression

/** Where a member is asked for. */
interface Access {
  readonly object: ast.Node
  readonly property: ast.Node
  /** With `?.`. */
  readonly optional?: boolean | null
}

export abstract class MemberCompiler extends KernelMemory {
  /** Where `?.` goes if its pointer is null, in the left side of `??`. */
  protected whereNull: { readonly label: string; used: boolean } | undefined

  abstract expression(node: ast.Expression, scope: Scope): Value
  /** The statement that leaves a program which has nothing to do, for hints. */
  abstract get leaving(): string

  /** The value of an expression that is read: what is in memory is loaded. */
  rvalue(node: ast.Expression, scope: Scope): Value {
    const value = this.expression(node, scope)
    if (value.kind === 'kernel place') return this.readKernel(value, node)
    if (value.kind === 'flavor place') return readFlavor(this, value, node)
    if (value.kind === 'user place') return readUser(this, value, node)
    return value.kind === 'place' && value.type.kind === 'int' ? this.load(value, node) : value
  }

  numeric(node: ast.Expression, scope: Scope) {
    return this.expectNumeric(this.rvalue(node, scope), node)
  }

  /** A number of 32 bits without a sign, whatever it was before. */
  inU32(node: ast.Expression, scope: Scope): Reg {
    return this.inReg(this.convert(this.numeric(node, scope), u32, node, true))
  }

  /** A value that has been found, as a number. */
  numberOf(value: Value, node: Located): NumericValue {
    if (value.kind === 'kernel place') return this.expectNumeric(this.readKernel(value, node), node)
    if (value.kind === 'user place') return readUser(this, value, node)
    return this.expectNumeric(value.kind === 'flavor place' ? readFlavor(this, value, node) : value, node)
  }

  text(node: Located): string {
    return this.source.text.slice(node.start ?? 0, node.end ?? 0)
  }

  protected member(node: MemberNode, scope: Scope): Value {
    const object = this.expression(node.object as ast.Expression, scope)
    if (node.computed) return this.#element(object, node, scope)
    return this.memberOf(object, (node.property as ast.Identifier).name, node, scope)
  }

  /** What a pointer points to, which may not be null. */
  behind(pointer: PointerValue, node: ast.Node, scope: Scope): PlaceValue {
    this.expectPresent(node, scope)
    return placeBehind(pointer)
  }

  /** What a pointer points to, where a member or an element of it is asked for. */
  #behind(pointer: PointerValue, node: Access, scope: Scope): PlaceValue {
    this.#expectFollowed(pointer, node, scope)
    return placeBehind(pointer)
  }

  /** With `?.`, a pointer that is null ends the left side of a `??`. */
  #expectFollowed({ reg }: { readonly reg: number }, node: Access, scope: Scope): void {
    const { object } = node
    const state = object.type === 'Identifier' ? scope.get(object.name)?.state : undefined
    if (!node.optional || (state !== undefined && state !== 'maybe')) {
      this.expectPresent(object, scope)
      return
    }
    if (this.whereNull === undefined) {
      const text = `${this.text(object)}?.${this.text(node.property)}`
      this.source.fail(
        object,
        'this has no value if the pointer is null',
        `Give a value for that case: ${text} ?? 0.`,
      )
    }
    this.whereNull.used = true
    this.push({ op: 'branch', comparison: 'eq', bits: 64, a: reg, b: { imm: 0 }, to: this.whereNull.label })
  }

  /** A member by its name. `node` is where it is asked for. */
  protected memberOf(object: Value, name: string, node: Access, scope: Scope): Value {
    const user = followed(this, object, node.object)
    if (user !== undefined) return behindPointer(this, user, name, node)
    switch (object.kind) {
      case 'pointer':
        return this.#memberOf(this.#behind(object, node, scope), name, node)
      case 'place':
        return this.#memberOf(object, name, node)
      case 'map':
        if (object.map.kind !== 'arena') break
        return this.#memberOf(rootPlace(this, object.map, node.object), name, node)
      case 'context':
        if (object.nullable) this.#expectFollowed(object, node, scope)
        if (name === 'length' && object.packet !== undefined) return packetLength(this, object)
        return contextMember(this, object, name, node)
      case 'constants': {
        const value = own(object.values, name)
        if (value === undefined)
          this.source.fail(
            node.property,
            `${object.name} has no '${name}'`,
            nearest(name, Object.keys(object.values)),
          )
        return { kind: 'constant', value: BigInt(value) }
      }
      case 'user place':
        return userMember(this, object, name, node)
      case 'flavor place':
        return flavorMember(this, object, name, node.property)
      case 'kernel pointer':
        if (object.nullable || object.owed) this.#expectFollowed(object, node, scope)
        return locatedText(this, object, name) ?? this.kernelMember(object, [], object.record.id, name, node)
      case 'kernel place': {
        const type = this.kernel.btf.resolve(object.path.typeId)
        if (type.kind === 'struct' || type.kind === 'union') {
          return this.kernelMember(object.pointer, object.path.steps, type.id, name, node)
        }
        if (name === 'length' && this.kernel.isText(object.path.typeId))
          this.source.fail(
            node.property,
            'the kernel does not know how long a text is',
            `sizeof(${this.text(node.object)}) is how much room it has.`,
          )
        const value = this.readKernel(object, node.object)
        if (value.kind === 'kernel pointer') return this.kernelMember(value, [], value.record.id, name, node)
      }
    }
    if (object.kind === 'kernel place')
      this.source.fail(
        node.property,
        `'${this.text(node.object)}' is a number and has no members`,
        name === 'value' ? `Write ${this.text(node.object)}.` : undefined,
      )
    const hint =
      object.kind === 'namespace' && object.name === 'bpf'
        ? `Helpers are called: bpf.${name}().`
        : object.kind === 'namespace' && object.name === 'each'
          ? `Write for (const one of each.${name}()) { ... }.`
          : object.kind === 'map'
            ? 'An entry is read with get(key). How many there are is known in Node.js only.'
            : undefined
    this.source.fail(node.property, `${describeValue(object)} has no member '${name}'`, hint)
  }

  /** What is at a place: a pointer into the arena, or the place. */
  #at(place: PlaceValue, node: ast.Node): Value {
    return place.type.kind === 'ptr' ? loadPointer(this, place, place.type, node) : place
  }

  #memberOf(place: PlaceValue, name: string, node: Access): Value {
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
        name === 'value'
          ? `Only numbers are read so: write ${this.text(node.object)}.${type.members[0]!.name}.`
          : nearest(
              name,
              type.members.map(({ name }) => name),
            ),
      )
    }
    return this.#at({ ...place, offset: place.offset + member.offset, type: member.type }, node.property)
  }

  #element(object: Value, node: MemberNode, scope: Scope): Value {
    const pointed = followed(this, object, node.object)
    if (pointed !== undefined || object.kind === 'user place') {
      const number = this.numeric(node.property as ast.Expression, scope)
      const index = number.kind === 'constant' ? Number(number.value) : number
      const place = pointed ?? (object as UserPlaceValue)
      const isOne = pointed !== undefined && pointed.type.kind !== 'array' && pointed.type.kind !== 'chars'
      return isOne
        ? userAt(this, place, place.type, index, node.property)
        : userElement(this, place, index, node.property)
    }
    const place = object.kind === 'pointer' ? this.#behind(object, node, scope) : object
    if (place.kind === 'kernel place') {
      return this.kernelElement(place, this.#constantIndex(node, scope), node)
    }
    if (place.kind === 'flavor place')
      return flavorElement(this, place, this.#constantIndex(node, scope), node.property)
    if (place.kind !== 'place' || (place.type.kind !== 'array' && place.type.kind !== 'chars')) {
      const isMap = object.kind === 'map'
      const text = this.text(node.property)
      this.source.fail(
        node,
        `${describeValue(object)} has no elements`,
        isMap
          ? `Write ${this.text(node.object)}.get(${text}).`
          : node.property.type === 'StringLiteral'
            ? `Write ${this.text(node.object)}.${node.property.value}.`
            : undefined,
      )
    }
    const { type } = place
    const of: Type = type.kind === 'chars' ? integers.u8! : type.of
    if (type.length === 0)
      this.source.fail(
        node,
        `${this.text(node.object)} is as long as its record, which only the dynptr knows`,
        'Write it with dynptr.write(offset, value, length).',
      )
    const index = this.numeric(node.property as ast.Expression, scope)
    if (index.kind === 'number')
      return this.#at(this.#variableElement(place, of, type.length, index, node), node)
    if (index.value < 0n || index.value >= BigInt(type.length)) {
      this.source.fail(node.property, `the array has ${type.length} elements, 0 to ${type.length - 1}`)
    }
    return this.#at({ ...place, offset: place.offset + Number(index.value) * sizeOf(of), type: of }, node)
  }

  #constantIndex(node: MemberNode, scope: Scope): bigint | undefined {
    const index = this.numeric(node.property as ast.Expression, scope)
    return index.kind === 'constant' ? index.value : undefined
  }

  /** An element by a number that is only known when the program runs: the index is kept within the array. */
  #variableElement(
    place: PlaceValue,
    of: Type,
    length: number,
    value: NumberValue,
    node: MemberNode,
  ): PlaceValue {
    const isPower = (length & (length - 1)) === 0
    const isWithin = value.below !== undefined && value.below <= length
    const isKnown = isWithin && value.isFollowed === true
    if (!isPower && !isWithin) {
      this.source.fail(
        node.property,
        'the index has to be a constant, unless the length of the array is a power of two',
        `Such an index is kept within the array: array<..., ${2 ** Math.ceil(Math.log2(length))}>.`,
      )
    }
    let index = this.inReg(this.convert(value, integerOf(4, false), node, true))
    if (!isWithin) {
      const masked = this.newReg()
      this.push({ op: 'alu', operation: 'and', bits: 32, d: masked, a: index, b: { imm: length - 1 } })
      index = masked
    }
    if (place.inContext !== undefined) {
      const text = this.text(node.object)
      this.source.fail(
        node.property,
        'an index into what user space passes has to be a constant',
        `Copy it first: const copy: ${describe(place.type)} = ${text}. To change it, write ${text} = copy at the end.`,
      )
    }
    const [scaled, base] = [this.newReg(), this.newReg()]
    const size = sizeOf(of)
    const align = Math.min(alignmentOf(place), size & -size)
    this.push({ op: 'alu', operation: 'mul', bits: 64, d: scaled, a: index, b: { imm: sizeOf(of) } })
    const sum = {
      op: 'alu',
      operation: 'add',
      bits: 64,
      d: base,
      b: { reg: scaled },
      isAddress: true,
    } as const
    if (place.base !== 'frame') {
      this.push({ ...sum, a: place.base })
      const known = isKnown ? base : this.#againWithin(place, place.base, base, sizeOf(of), node)
      return { ...place, align, base: known, type: of }
    }
    const start = this.newReg()
    this.push({ op: 'frame', d: start, offset: place.offset })
    this.push({ ...sum, a: start })
    return { ...place, align, base, offset: 0, type: of }
  }

  /**
   * The verifier forgets where the packet ends when a variable is added to a pointer into it, so the end is checked
   * again.
   */
  #againWithin(
    { inPacket, offset }: PlaceValue,
    start: Reg,
    element: Reg,
    size: number,
    node: MemberNode,
  ): Reg {
    if (inPacket === undefined) return element
    if (inPacket === 'passed') {
      this.source.fail(
        node.property,
        'an index into the packet has to be a constant, or the variable of a range, in a function that is called more than once',
        'Use it where the packet is read.',
      )
    }
    const [behind, kept] = [this.newReg(), this.newReg()]
    const [outside, done] = [this.newLabel(), this.newLabel()]
    const b = { imm: offset + size }
    this.push({ op: 'alu', operation: 'add', bits: 64, d: behind, a: element, b, isEdge: true })
    this.push({
      op: 'branch',
      comparison: 'gt',
      bits: 64,
      a: behind,
      b: { reg: edge(this, inPacket, 'end') },
      to: outside,
    })
    this.push({ op: 'move', d: kept, s: element, bits: 64 })
    this.jump(done)
    this.label(outside)
    this.push({ op: 'move', d: kept, s: start, bits: 64 })
    this.label(done)
    return kept
  }

  /** Refuses a pointer into a record, or a copy of its dynptr, once the record is gone. */
  expectNotLeft(value: Value, node: ast.Node, scope: Scope): void {
    const within = 'within' in value ? value.within : undefined
    if (within === undefined) return
    for (const [name, variable] of scope) {
      if (variable.value !== within || variable.state !== 'given back') continue
      this.source.fail(
        node,
        `${this.text(node)} is a part of the record '${name}', which was submitted or discarded`,
      )
    }
    this.expectNotLeft(within, node, scope)
  }

  /** Refuses a dynptr that may be null, or that was released. */
  expectUsable(dynptr: DynptrValue, node: ast.Node, scope: Scope): void {
    if (dynptr.nullable) this.expectPresent(node, scope)
    else this.expectNotLeft(dynptr, node, scope)
  }

  /** A pointer that may be null cannot be followed. */
  expectPresent(node: ast.Node, scope: Scope): void {
    const name = node.type === 'Identifier' ? node.name : undefined
    const variable = name === undefined ? undefined : scope.get(name)
    const state = name === undefined ? 'maybe' : variable?.state
    if (variable !== undefined) this.expectNotLeft(variable.value, node, scope)
    if (state === 'present') return
    if (state === 'given back') {
      this.source.fail(
        node,
        owedOf(variable!.value)?.what === 'record'
          ? `the record '${name}' was submitted or discarded, and belongs to the reader`
          : `the reference '${name}' was released, and may no longer be valid`,
      )
    }
    const value = variable?.value
    if (state === 'stale' && value?.kind === 'pointer' && value.object !== undefined) {
      this.source.fail(
        node,
        `'${name}' may be gone: it is only there while the lock is held, and until something is taken out`,
        'Look at it earlier, or take it out: const mine = tree.remove(node).',
      )
    }
    if (state === 'stale') {
      this.source.fail(
        node,
        `'${name}' points to where the packet was before it was changed`,
        'Read it again.',
      )
    }
    if (state === 'absent') this.source.fail(node, `'${name}' is null here`)
    this.source.fail(
      node,
      `${name === undefined ? 'this' : `'${name}'`} may be null here`,
      name === undefined
        ? `Give it a name first, and compare that: if (!value) ${this.leaving}.`
        : `Compare it first: if (!${name}) ${this.leaving}.`,
    )
  }
}

function placeBehind(pointer: PointerValue): PlaceValue {
  const { reg, type, shared, origin, align, inPacket, readonly, object, inArena } = pointer
  return {
    kind: 'place',
    base: reg,
    offset: object === undefined ? 0 : -object.at,
    ...(object && { isObject: true as const }),
    type,
    shared,
    ...(origin && { origin }),
    ...(align !== undefined && { align }),
    ...(inPacket && { inPacket }),
    ...(readonly && { readonly }),
    ...(inArena && { inArena }),
    ...(owedOf(pointer)?.what === 'record' && { inRecord: true as const }),
  }
}
