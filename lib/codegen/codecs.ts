import { titleOf } from '../btf/codec.js'
import { Generator } from '../btf/generate.js'
import { sizeOf } from '../btf/layout.js'
import type { BtfTypes } from '../btf/parse.js'
import { isFlexible, type Plan, Planner } from '../btf/plan.js'
import { literal } from './names.js'
import type { TypeWriter } from './types.js'

interface Codec {
  readonly plan: Plan
  /** The TypeScript type of the values. */
  readonly type: string
}

/** Writes the codecs of a module as code. lib/btf/codec.ts makes the same codecs at run time. */
export class CodecWriter {
  readonly #btf: BtfTypes
  readonly #planner: Planner
  readonly #types: TypeWriter
  readonly #codecs = new Map<number, Codec>()

  constructor(btf: BtfTypes, types: TypeWriter) {
    this.#btf = btf
    this.#planner = new Planner(btf, false)
    this.#types = types
  }

  plan(typeId: number): Plan {
    return this.#planner.plan(typeId)
  }

  /** Why a type has no codec; undefined if it has one. Type 0 means that no type is given. */
  refusal(typeId: number): string | undefined {
    if (typeId === 0) return undefined
    try {
      this.#planner.plan(typeId)
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }

  /** Whether {@link source} exports codecs. */
  get hasExports(): boolean {
    return [...this.#codecs.values()].some(({ plan }) => plan.op === 'record')
  }

  /** Adds the codec of a type and returns its TypeScript type. A type without a name is named after `place`. */
  add(typeId: number, place: string): string {
    let codec = this.#codecs.get(typeId)
    if (codec === undefined) {
      const plan = this.#planner.plan(typeId)
      codec = { plan, type: this.#types.typeOf(typeId, plan, place) }
      this.#codecs.set(typeId, codec)
    }
    return codec.type
  }

  /** Writes the functions, the table of codecs by type id, and the exported codecs of structs and unions. */
  source(): string {
    const generator = new Generator(this.#btf.littleEndian, {
      typed: true,
      nameOf: (plan) => this.#types.nameOf(plan),
    })
    const entries = [...this.#codecs].map(([id, codec]) => this.#entry(generator, id, codec))
    const named = new Map<string, number>()
    for (const [id, { plan, type }] of this.#codecs) {
      if (plan.op === 'record' && !named.has(type)) named.set(type, id)
    }
    const exported = [...named].map(
      ([type, id]) =>
        `/** Reads and writes {@link ${type}}. */\nexport const ${type}: Codec<${type}> = codecs[${id}]()\n`,
    )
    const helpers = generator.helpers()
    return [
      ...(helpers === '' ? [] : [`${helpers}\n`]),
      `/** Keyed by the type's id in the object's BTF. */\nconst codecs = {${entries.join('')}\n}\n`,
      ...exported,
    ].join('\n')
  }

  #entry(generator: Generator, id: number, { plan, type }: Codec): string {
    const size = sizeOf(this.#btf, id)
    const { root, words } = titleOf(this.#btf, id, plan)
    const flexible = isFlexible(plan) ? `, plan: ${JSON.stringify(flexibleParts(plan))}` : ''
    const spec = `{ typeId: ${id}, size: ${size}, name, words: ${literal(words)}${flexible} }`
    const raw = generator.raw(plan, size, type).trimEnd()
    return `\n  ${id}: (name = ${literal(root)}) => rt.codec<${type}>(${spec}, (frame: rt.Frame) => (${raw})),`
  }
}

/** Reduces a plan to the parts that determine how long a value is. */
function flexibleParts(plan: Plan): Plan {
  if (plan.op === 'array') return { ...plan, item: { op: 'bytes', length: 0, flexible: false } }
  if (plan.op !== 'record') return plan
  const fields = plan.fields
    .filter((field) => isFlexible(field.plan))
    .map((field) => ({ ...field, plan: flexibleParts(field.plan) }))
  return { ...plan, name: '', fields, members: [] }
}
