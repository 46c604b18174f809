// The objects of a module, one for each machine, and the codecs for each of them.
import { createHash } from 'node:crypto'
import type { Architecture } from './architectures.js'
import type { CodecWriter } from './codecs.js'
import { literal } from './names.js'
import { bytes } from './types.js'

/** Objects by the machine that they are for; `undefined` for any machine. */
export type ModuleObjects = ReadonlyMap<Architecture | undefined, Uint8Array>

/** The name of the file of an object that is beside the module. */
export function fileOf(name: string, arch: Architecture | undefined): string {
  return arch === undefined ? `${name}.bpf.o` : `${name}.${arch}.bpf.o`
}

/** How large the objects are, in words. */
export function sizes(objects: ModuleObjects): string {
  return [...objects]
    .map(([arch, { length }]) => `${bytes(length)}${arch === undefined ? '' : ` for ${arch}`}`)
    .join(', ')
}

/**
 * The constant `object`.
 *
 * @param external - the name that the objects' files begin with; without it, the code contains the objects
 */
export function objectSource(
  objects: ModuleObjects,
  external: string | undefined,
  isCommonJs: boolean,
): string {
  const list = [...objects].map(([arch, object]) => {
    const source =
      external === undefined ? embedded(object) : beside(object, fileOf(external, arch), isCommonJs)
    return [arch, source] as const
  })
  if (objects.size === 1 && objects.has(undefined)) return `const object = ${list[0]![1]}\n`
  return `const object = rt.forThisMachine({${list.map(([arch, source]) => `\n  ${arch}: ${source},`).join('')}\n})\n`
}

function embedded(object: Uint8Array): string {
  const lines =
    Buffer.from(object)
      .toString('base64')
      .match(/.{1,100}/g) ?? []
  return `rt.embedded(\`\n${lines.join('\n')}\n\`)`
}

function beside(object: Uint8Array, file: string, isCommonJs: boolean): string {
  const hash = createHash('sha256').update(object).digest('hex')
  const place = isCommonJs
    ? `__dirname + ${literal(`/${file}`)}`
    : `new URL(${literal(`./${encodeURIComponent(file)}`)}, import.meta.url)`
  return `rt.external(${place}, '${hash}')`
}

/** The constant `codecs`, for machines with either byte order, and the numbers of the types in each object. */
export class CodecTables {
  readonly #main: CodecWriter
  #swapped: CodecWriter | undefined
  readonly #typeIds = new Map<Architecture, string>()
  #isOne = true

  constructor(main: CodecWriter) {
    this.#main = main
  }

  /** Adds an object that has the same types as the first one, but may have other numbers for them. */
  add(arch: Architecture, codecs: CodecWriter): void {
    this.#isOne = false
    const ids = this.#main.ids
    const own = codecs.ids
    if (own.some((id, i) => id !== ids[i]))
      this.#typeIds.set(arch, `{ ${own.map((id, i) => `${id}: ${ids[i]}`).join(', ')} }`)
    if (codecs.littleEndian !== this.#main.littleEndian) this.#swapped = codecs
  }

  source(): string[] {
    const { helpers, table } = this.#main.table()
    const swapped = this.#swapped?.table(this.#main.ids)
    const comment = "/** Keyed by the type's id in the object's BTF. */"
    const all = [...this.#typeIds].map(([arch, ids]) => `\n  ${arch}: ${ids},`)
    const typeIds = `/** The ids in the BTF of other machines' objects, where they differ. */\nconst typeIds = {${all.join('')}${all.length > 0 ? '\n' : ''}}\n`
    const { littleEndian } = this.#main
    const either =
      swapped === undefined
        ? `${comment}\nconst codecs = ${table}\n`
        : `${comment}\nconst codecs = rt.littleEndian === ${littleEndian} ? ${table} : otherByteOrder()\n\nfunction otherByteOrder() {\n${swapped.helpers}\nreturn ${swapped.table}\n}\n`
    return [
      ...(helpers === '' ? [] : [`${helpers}\n`]),
      either,
      ...this.#main.exports(),
      ...(this.#isOne ? [] : [typeIds]),
    ]
  }
}
