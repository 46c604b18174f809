import type { Hook } from './hook.js'

/** Chooses one of a hook's sections for its program. */
export interface SectionOptions {
  /** The beginning of the section, such as 'fexit', 'kprobe' or 'raw_tp'; by default the first one of the hook. */
  as?: string
}

/** The name and the section of the program for a hook. */
export interface Target {
  /** In snake case, without characters that C does not allow. */
  readonly name: string
  /** `undefined` for a kfunc. */
  readonly section: string | undefined
  /** The section up to the first slash. */
  readonly kind: string
}

/** Names programs so that no two have the same name. */
export class Targets {
  readonly #taken = new Set<string>()

  /** @throws RangeError if the hook has no such section */
  of(hook: Hook, { as }: SectionOptions): Target {
    const isIt = (section: string): boolean =>
      as === undefined || section === as || section.startsWith(`${as}/`)
    const section = hook.sections.find(isIt)
    if (section === undefined && hook.kind !== 'kfunc') {
      const others = hook.sections.map((one) => one.split('/')[0]).join(', ')
      throw new RangeError(`${hook.kind} ${hook.name} has no section '${as}'; it has ${others}`)
    }
    return { name: this.#nameOf(hook, section), section, kind: section?.split('/')[0] ?? '' }
  }

  #nameOf(hook: Hook, section: string | undefined): string {
    const isExit = section !== undefined && /^(fexit|kret|uret|tp\/syscalls\/sys_exit)/.test(section)
    const last =
      hook.kind === 'user' || hook.kind === 'usdt' ? hook.name.replace(/^.*\/[^/:]*:/, '') : hook.name
    const plain = `on_${last.replace(/^[\w-]*\//, '').replace(/\W+/g, '_')}${isExit ? '_exit' : ''}`
    let name = plain
    for (let i = 2; this.#taken.has(name); i++) name = `${plain}_${i}`
    this.#taken.add(name)
    return name
  }
}
