import type { BtfTypes } from '../btf/parse.js'

/** The `btf_decl_tag` attributes in BTF, by the type or member that they are on. */
export class DeclTags {
  readonly #byTarget = new Map<string, string[]>()

  constructor(btf: BtfTypes) {
    for (const tag of btf.ofKind('decl_tag')) {
      if (tag.attribute) continue
      const key = `${tag.typeId} ${tag.componentIndex}`
      const tags = this.#byTarget.get(key) ?? []
      tags.push(tag.name)
      this.#byTarget.set(key, tags)
    }
  }

  /** Returns the tags of a type, variable or function, or of one of its members. */
  of(typeId: number, component = -1): readonly string[] {
    return this.#byTarget.get(`${typeId} ${component}`) ?? []
  }

  /** Returns the value of a `name:value` tag. */
  value(name: string, typeId: number, component = -1): string | undefined {
    const tag = this.of(typeId, component).find((one) => one.startsWith(`${name}:`))
    return tag?.slice(name.length + 1).trim()
  }

  /**
   * Returns documentation: the text of `doc:` tags, otherwise the comment in the source, followed by all other tags.
   */
  words(typeId: number, component = -1, comment = ''): string[] {
    const tags = this.of(typeId, component).filter((tag) => !tag.startsWith('record:'))
    const docs = tags.filter((tag) => tag.startsWith('doc:')).map((tag) => tag.slice(4).trim())
    if (docs.length === 0 && comment !== '') docs.push(comment)
    const others = tags.filter((tag) => !tag.startsWith('doc:'))
    return others.length === 0 ? docs : [...docs, `Tags: ${others.join(', ')}`]
  }
}
