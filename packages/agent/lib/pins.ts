// What stays in the kernel while the agent restarts: PATH/PROGRAM/maps/MAP, and PATH/PROGRAM/VERSION/BPF-PROGRAM for links.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { BpfError, BpfMap, type BpfObject, Link, type Program } from 'libbpf-node'

/** Names that the BPF file system accepts have no dots. */
const fileName = (name: string): string => name.replaceAll('.', '_')

/** The pins of one program of the configuration. */
export class Pins {
  readonly #folder: string
  readonly #maps: string
  readonly #links: string
  readonly #version: string

  /** @param about - what the version of the program depends on: its file, and the values of its constants */
  constructor(root: string, name: string, about: readonly string[]) {
    const hash = createHash('sha256')
    for (const part of about) hash.update(`${part}\0`)
    this.#version = `v${hash.digest('hex').slice(0, 16)}`
    this.#folder = join(root, name)
    this.#maps = join(this.#folder, 'maps')
    this.#links = join(this.#folder, this.#version)
    mkdirSync(this.#maps, { recursive: true })
    mkdirSync(this.#links, { recursive: true })
  }

  /**
   * Makes an object use the maps that are pinned. Those that do not fit any more are forgotten, and made anew.
   *
   * @returns why each of them did not fit
   */
  useMaps(object: BpfObject): string[] {
    const changed: string[] = []
    for (const map of object.maps.values()) {
      if (map.isInternal || map.type === 'struct_ops' || !map.autocreate) continue
      const path = this.mapPath(map.name)
      if (existsSync(path)) {
        const reason = differenceOf(map, path)
        if (reason !== undefined) {
          changed.push(reason)
          rmSync(path)
        }
      }
      map.pinPath = path
    }
    return changed
  }

  mapPath(name: string): string {
    return join(this.#maps, fileName(name))
  }

  /** Where the record of what was delivered from a ring is kept. */
  ledgerPath(ring: string): string {
    return `${this.mapPath(ring)}-ledger`
  }

  /** Whether the same version of a program is attached already, by an agent that has ended. */
  isAttached(program: string): boolean {
    return existsSync(join(this.#links, fileName(program)))
  }

  /** The link of the same version that is attached already. */
  adopt(program: string): Link {
    return Link.fromPin(join(this.#links, fileName(program)))
  }

  /**
   * Puts a program in the place of its older version: in its link, if the kernel can exchange the program of such a link,
   * and otherwise beside it. The older link then goes with {@link sweep}.
   */
  replace(program: Program, attach: () => Link | undefined): Link | undefined {
    for (const older of this.#otherVersions()) {
      const path = join(older, fileName(program.name))
      if (!existsSync(path)) continue
      const link = Link.fromPin(path)
      try {
        link.update(program)
        // A rename moves the pin in one step.
        renameSync(path, join(this.#links, fileName(program.name)))
        return link
      } catch (error) {
        link.close()
        if (!(error instanceof BpfError)) throw error
      }
    }
    const link = attach()
    link?.pin(join(this.#links, fileName(program.name)))
    return link
  }

  /** Removes the links of this version, which detaches them. */
  removeLinks(): void {
    for (const name of readdirSync(this.#links)) rmSync(join(this.#links, name))
  }

  /** Removes the links of older versions, which detaches them, and maps that the object does not have any more. */
  sweep(object: BpfObject): void {
    for (const older of this.#otherVersions()) rmSync(older, { recursive: true })
    const names = new Set([...object.maps.keys()].map(fileName))
    for (const name of readdirSync(this.#maps))
      if (!names.has(name.replace(/-ledger$/, ''))) rmSync(join(this.#maps, name))
  }

  #otherVersions(): string[] {
    return readdirSync(this.#folder)
      .filter((name) => name !== 'maps' && name !== this.#version)
      .map((name) => join(this.#folder, name))
  }
}

/** Removes what is pinned for programs that the configuration does not have any more. */
export function sweepPrograms(root: string, names: ReadonlySet<string>): string[] {
  const gone = list(root).filter((name) => !names.has(name))
  for (const name of gone) rmSync(join(root, name), { recursive: true })
  return gone
}

const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : [])

/** How a pinned map differs from what the object wants. */
function differenceOf(map: BpfMap<unknown, unknown>, path: string): string | undefined {
  const { type, keySize, valueSize, maxEntries, flags } = map
  // A map without a number of entries has one for each CPU.
  const expect = { type, keySize, valueSize, flags, ...(maxEntries > 0 && { maxEntries }) }
  try {
    BpfMap.fromPin(path, { expect }).close()
    return undefined
  } catch (error) {
    if (error instanceof BpfError && error.code === 'ERR_BPF_MISMATCH') return error.message
    throw error
  }
}
