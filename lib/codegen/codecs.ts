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

  get littleEndian(): boolean {
    return this.#btf.littleEndian
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

  /** Whether {@link exports} has codecs. */
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

  /** The ids of the types that have codecs, in the order in which {@link table} writes them. */
  get ids(): number[] {
    return [...this.#codecs.keys()]
  }

  /**
   * Writes the table of codecs by type id, and the functions that they need.
   *
   * @param ids - the ids to write, if they are not those of this object; see {@link ids}
   */
  table(ids: readonly number[] = this.ids): { helpers: string; table: string } {
    const generator = new Generator(this.#btf.littleEndian, {
      typed: true,
      nameOf: (plan) => this.#types.nameOf(plan),
    })
    const entries = [...this.#codecs].map(([id, codec], i) => this.#entry(generator, id, codec, ids[i] ?? id))
    return { helpers: generator.helpers(), table: `{${entries.join('')}\n}` }
  }

  /** Writes the exported codecs of structs and unions. */
  exports(ids: readonly number[] = this.ids): string[] {
    const named = new Map<string, number>()
    for (const [i, { plan, type }] of [...this.#codecs.values()].entries()) {
      if (plan.op === 'record' && !named.has(type)) named.set(type, ids[i]!)
    }
    return [...named].map(
      ([type, id]) =>
        `/** Reads and writes {@link ${type}}. */\nexport const ${type}: Codec<${type}> = codecs[${id}]()\n`,
    )
  }

  #entry(generator: Generator, id: number, { plan, type }: Codec, shown: number): string {
    const size = sizeOf(this.#btf, id)
    const { root, words } = titleOf(this.#btf, id, plan)
    const flexible = isFlexible(plan) ? `, plan: ${JSON.stringify(flexibleParts(plan))}` : ''
    const spec = `{ typeId: ${shown}, size: ${size}, name, words: ${literal(words)}${flexible} }`
    const raw = generator.raw(plan, size, type).trimEnd()
    return `\n  ${shown}: (name = ${literal(root)}) => rt.codec<${type}>(${spec}, (frame: rt.Frame) => (${raw})),`
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
