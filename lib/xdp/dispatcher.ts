import { mkdirSync, readdirSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Interface, interfaceIndex } from '../attach/interface.js'
import { BpfError } from '../errors/errors.js'
import { native } from '../native/binding.js'
import { Program } from '../programs/program.js'
import { programOwners } from '../programs/properties.js'
import {
  BPF_F_XDP_HAS_FRAGS,
  type DriverMode,
  dispatcherError,
  inOrder,
  type Method,
  mainProgram,
  mostPrograms,
  type Place,
  pinFolder,
  swap,
  unpin,
  type XdpAction,
  xdpActions,
} from './components.js'
import { stubBit, versions } from './dispatcher-object.js'
import { type Dispatcher, freplaceWorks, readDispatcher, replaceDispatcher } from './libxdp.js'
import { runConfig } from './run-config.js'
import { type Chain, closeAll, type Linked, readChain, replaceChain, unpinUnlinked } from './tail-calls.js'

export interface XdpDispatcherOptions {
  /** Uses only this mode, if there is no dispatcher yet; by default native is tried first, then generic. */
  mode?: 'native' | 'generic'
  /** Where a BPF file system is mounted; `$LIBXDP_BPFFS` or /sys/fs/bpf by default. */
  bpffs?: string
  /**
   * The version of the protocol, if there is no dispatcher yet: 3 by default, or 2 for libxdp before 1.6, which leaves
   * newer dispatchers alone. An existing dispatcher keeps its version.
   */
  version?: 2 | 3
  /**
   * How programs are called, if there are none yet: as replaced functions of a dispatcher, to which other users of
   * libxdp can add programs, or by tail calls. By default the first of these that the kernel allows.
   */
  method?: 'freplace' | 'tail-calls'
}

export interface XdpAttachOptions {
  /**
   * Programs with lower priorities run first. The default is the value from the object's XDP_RUN_CONFIG (libxdp), or
   * 50.
   */
  priority?: number
  /**
   * The actions after which the next program runs; all others are final. The default is the value from the object's
   * XDP_RUN_CONFIG, or `['pass']`.
   */
  chain?: readonly XdpAction[]
}

/** A program that a dispatcher calls. */
export interface XdpComponent {
  id: number
  name: string
  priority: number
  chain: XdpAction[]
}

/** The dispatcher of an interface. */
export interface XdpDispatcherState {
  /** The id of the dispatcher itself. */
  programId: number
  /** How it calls the programs. Only with `freplace` do others see them. */
  method: 'freplace' | 'tail-calls'
  /** The version of libxdp's protocol; `undefined` with tail calls. */
  version: number | undefined
  mode: 'native' | 'generic'
  /** In the order in which the programs run. */
  programs: XdpComponent[]
}

const BPF_FS_MAGIC = 0xcafe4a11
/** How often to begin again if someone else changes the dispatcher meanwhile. */
const mostTries = 10

/**
 * Several XDP programs on one interface, as libxdp and xdp-tools do it: a dispatcher is attached to the interface and
 * calls the programs in the order of their priorities. We speak their protocol, versions 2 and 3, so that `xdp-loader`
 * shows and unloads our programs, and both add programs to each other's dispatchers. (Linux 5.10 with BTF)
 *
 * Where the kernel does not let programs replace functions of others, because it is hardened or older, programs call
 * each other by tail calls, which we add to them. The features are the same, but other users of libxdp see a single
 * program, which they leave alone.
 *
 * The programs stay attached after the process ends, because they are pinned in a BPF file system. Requires
 * CAP_SYS_ADMIN and CAP_NET_ADMIN.
 */
export class XdpDispatcher {
  readonly interface: Interface
  readonly #place: Place
  readonly #mode: DriverMode | undefined
  readonly #version: number
  readonly #method: Method | undefined

  /** @throws BpfError ERR_BPF_NOT_FOUND if no BPF file system is mounted there */
  constructor(on: Interface, { mode, bpffs, version = versions.newest, method }: XdpDispatcherOptions = {}) {
    this.interface = on
    if (mode !== undefined && mode !== 'native' && mode !== 'generic')
      throw new TypeError(`mode is not 'native' or 'generic'`)
    if (version !== 2 && version !== 3) throw new RangeError('version is not 2 or 3')
    if (method !== undefined && method !== 'freplace' && method !== 'tail-calls')
      throw new TypeError(`method is not 'freplace' or 'tail-calls'`)
    const root = bpffs ?? (process.env.LIBXDP_BPFFS || '/sys/fs/bpf')
    if (!isBpffs(root))
      throw new BpfError(
        `dispatcher of '${on}': ${root} is not a BPF file system; mount one with mount -t bpf bpf ${root}`,
        { code: 'ERR_BPF_NOT_FOUND', target: root },
      )
    this.#place = { interface: on, ifindex: interfaceIndex(on), folder: join(root, 'xdp') }
    this.#mode = mode
    this.#version = version
    this.#method = method
  }

  /**
   * The programs of the interface's dispatcher; `undefined` if it has none.
   *
   * @throws BpfError ENOENT if the dispatcher's pins are not in this BPF file system
   */
  state(): XdpDispatcherState | undefined {
    const found = this.#find()
    if (found === undefined) return undefined
    try {
      if (found instanceof Program) return undefined
      return {
        programId: found.program.id,
        method: found.method,
        version: found.method === 'freplace' ? found.version : undefined,
        mode: found.mode,
        programs: found.components.map(({ program, slot, name }) => ({
          id: program.id,
          name,
          priority: slot.priority,
          chain: xdpActions.filter((_, i) => (slot.actions & (1 << i)) !== 0),
        })),
      }
    } finally {
      close(found)
    }
  }

  /**
   * Loads a program and adds it to the interface. All other programs of the dispatcher keep running without
   * interruption.
   *
   * Do not load the object of the program: that happens here, because the program's type becomes `ext`. Only one
   * program of an object can be attached; set `autoload` of the others to false unless you need them elsewhere. If
   * `attach` fails, close the object.
   *
   * @returns the id of the program, for {@link detach}
   * @throws BpfError ERR_BPF_STATE if the program is loaded; EBUSY if a program without a dispatcher is attached to the
   * interface; E2BIG if there are 10 programs already
   */
  async attach(program: Program, options: XdpAttachOptions = {}): Promise<number> {
    const owner = programOwners.of(program)
    const config = runConfig(owner.types?.(), program.name)
    const { priority = config.priority, chain = config.chain } = options
    if (!Number.isInteger(priority) || priority < 0 || priority > 2 ** 31 - 1)
      throw new RangeError('priority is not a whole number from 0 to 2147483647')
    if (!Array.isArray(chain)) throw new TypeError("chain is not an array of actions, such as ['pass']")
    const bits = chain.map((action) => {
      const number = xdpActions.indexOf(action)
      if (number < 0)
        throw new TypeError(`action '${action}' does not exist; choose from ${xdpActions.join(', ')}`)
      return 2 ** number
    })
    if (program.type !== 'xdp')
      throw new TypeError(`program '${program.name}' is of the type ${program.type}, not xdp`)
    const [prepare, load] = [owner.prepare?.bind(owner), owner.load?.bind(owner)]
    if (program.loaded || load === undefined || prepare === undefined)
      throw new BpfError(`program '${program.name}' is loaded already; the dispatcher has to load it`, {
        code: 'ERR_BPF_STATE',
        program: program.name,
      })
    const frags = (program.flags & BPF_F_XDP_HAS_FRAGS) !== 0 || /^xdp\.frags(\/|$)/.test(program.section)
    const added: Linked = {
      program,
      name: program.name,
      prepare,
      load,
      slot: {
        priority,
        actions: [...new Set(bits)].reduce((all, bit) => all + bit, stubBit),
        flags: frags ? BPF_F_XDP_HAS_FRAGS : 0,
      },
    }
    try {
      await this.#change((there) => [...there, added])
    } finally {
      added.next?.close()
    }
    return program.id
  }

  /**
   * Removes a program from the interface. The others keep running without interruption; the dispatcher is removed
   * together with the last one.
   *
   * @returns false if the dispatcher has no program with that id
   */
  async detach(id: number): Promise<boolean> {
    let had = false
    await this.#change((there) => {
      const left = there.filter(({ program }) => program.id !== id)
      had = left.length < there.length
      return had ? left : undefined
    })
    return had
  }

  /**
   * Removes what other runs have left behind: pins of dispatchers that are not attached to the interface, because their
   * process ended between pinning and attaching, or the interface was detached by other means. Pins of an interface with
   * the same index in another network namespace look the same, so do not share a BPF file system with it.
   *
   * @returns the names of what was removed
   */
  async clean(): Promise<string[]> {
    return this.#locked(async () => {
      const { folder, ifindex } = this.#place
      const found = this.#find()
      try {
        const ofThis = new RegExp(`^(dispatch|chain)-${ifindex}-`)
        const id = found instanceof Program ? found.id : found?.program.id
        const stale = readdirSync(folder).filter((name) => ofThis.test(name) && !name.endsWith(`-${id}`))
        for (const name of stale) unpin(join(folder, name))
        const isChain = found !== undefined && !(found instanceof Program) && found.method === 'tail-calls'
        return isChain ? [...stale, ...unpinUnlinked(found)] : stale
      } finally {
        close(found)
      }
    })
  }

  /** Replaces the set of programs by another one. `undefined` changes nothing. */
  async #change(choose: (there: Linked[]) => Linked[] | undefined): Promise<void> {
    // libxdp takes the lock for each step only, so it may still come in between. Then it all begins again.
    for (let tries = 1; ; tries++) {
      if (await this.#locked(() => this.#try(choose))) return
      if (tries === mostTries)
        throw dispatcherError(this.#place, 'another process keeps changing it', 'EBUSY')
      await sleep(2 ** tries)
    }
  }

  /** Returns false if the interface has changed meanwhile. */
  async #try(choose: (there: Linked[]) => Linked[] | undefined): Promise<boolean> {
    const found = this.#find()
    try {
      if (found instanceof Program) {
        if (choose([]) === undefined) return true
        throw dispatcherError(
          this.#place,
          `program ${found.id} ('${found.name}') is attached without a dispatcher; detach it first`,
          'EBUSY',
        )
      }
      const wanted = choose(found?.components ?? [])?.toSorted(inOrder)
      if (wanted === undefined) return true
      if (wanted.length > mostPrograms)
        throw dispatcherError(this.#place, `it has ${mostPrograms} programs already`, 'E2BIG')
      if (wanted.length > 0) return await this.#replace(found, wanted)
      const { method, program, mode } = found!
      if (!swap(this.#place, undefined, program, mode)) return false
      unpin(pinFolder(this.#place, method, program.id))
      return true
    } finally {
      close(found)
    }
  }

  async #replace(found: Dispatcher | Chain | undefined, wanted: readonly Linked[]): Promise<boolean> {
    const [place, mode, version] = [this.#place, this.#mode, this.#version]
    if (found?.method === 'freplace') return replaceDispatcher(place, found, wanted, { mode, version })
    if (found?.method === 'tail-calls') return replaceChain(place, found, wanted, mode)
    const method = this.#method ?? ((await freplaceWorks()) ? 'freplace' : 'tail-calls')
    return method === 'freplace'
      ? replaceDispatcher(place, undefined, wanted, { mode, version })
      : replaceChain(place, undefined, wanted, mode)
  }

  /** The dispatcher, or the program that is attached without one. */
  #find(): Dispatcher | Chain | Program | undefined {
    for (let tries = 1; ; tries++) {
      const main = mainProgram(this.#place.ifindex)
      if (main === undefined) return undefined
      let program: Program | undefined
      try {
        program = Program.fromId(main.id)
        const { mode } = main
        return readChain(this.#place, program, mode) ?? readDispatcher(this.#place, program, mode) ?? program
      } catch (error) {
        program?.close()
        // It may have been changed while we read it.
        if (tries === mostTries) throw error
      }
    }
  }

  /** Waits for libxdp's lock. */
  async #locked<T>(work: () => Promise<T>): Promise<T> {
    const { folder } = this.#place
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    let fd = native.lockFolder(folder)
    for (; fd === undefined; fd = native.lockFolder(folder)) await sleep(5)
    try {
      return await work()
    } finally {
      native.descriptorClose(fd)
    }
  }
}

function isBpffs(path: string): boolean {
  try {
    return statfsSync(path).type === BPF_FS_MAGIC
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

function close(found: Dispatcher | Chain | Program | undefined): void {
  if (found === undefined) return
  if (found instanceof Program) {
    found.close()
    return
  }
  closeAll(found.components)
  found.program.close()
}
