// Uprobes and static probes that are attached to what containers run.
import type { Container, Containers, Follow, FollowedFile } from '@libbpf-node/otel/containers'
import type { BpfObject, Link, Program } from 'libbpf-node'
import type { FollowConfig } from './config/types.js'
import type { Failure } from './health.js'

/** A probe, as the section of its program describes it. */
interface Probe {
  readonly program: Program
  readonly binary: string
  attach(path: string): Link | Promise<Link>
}

interface FollowingOptions {
  readonly object: BpfObject
  readonly config: FollowConfig
  readonly containers: Containers
  /** Called when something was attached, could not be attached, or is gone. */
  readonly changed: () => void
}

/** Whether a program is attached to files of containers, and not only once. */
export const isFollowing = ({ section }: Program): boolean =>
  /^(?:u(?:ret)?probe|usdt)(?:\.\w+)*(?:\/|$)/.test(section)

/** The probes of an object that follow containers. */
export class Following implements Disposable {
  readonly #follows: Follow[] = []
  readonly #failures = new Set<Failure>()
  readonly #changed: () => void
  #links = 0

  static async start({ object, config, containers, changed }: FollowingOptions): Promise<Following> {
    const following = new Following(changed)
    const probes = new Map<string, Probe[]>()
    for (const program of object.programs.values()) {
      if (!isFollowing(program) || !program.loaded) continue
      const probe = probeOf(program, config.binary)
      if (typeof probe === 'string')
        following.#failures.add({ program: program.name, stage: 'attach', reason: probe })
      else probes.set(probe.binary, [...(probes.get(probe.binary) ?? []), probe])
    }
    const { cgroup, image } = config
    const which = { ...(cgroup !== undefined && { cgroup }), ...(image !== undefined && { image }) }
    try {
      for (const [binary, these] of probes)
        following.#follows.push(
          await containers.follow({ binary, ...which }, (file) => following.#attach(these, file)),
        )
      return following
    } catch (error) {
      following[Symbol.dispose]()
      throw error
    }
  }

  private constructor(changed: () => void) {
    this.#changed = changed
  }

  get failures(): readonly Failure[] {
    return [...this.#failures]
  }

  /** How many probes are attached now. */
  get links(): number {
    return this.#links
  }

  [Symbol.dispose](): void {
    for (const follow of this.#follows.splice(0)) follow.close()
  }

  async #attach(probes: readonly Probe[], { path, binary, container }: FollowedFile): Promise<Disposable[]> {
    const attached: Disposable[] = []
    for (const { program, attach } of probes) {
      try {
        const link = await attach(path)
        this.#links++
        attached.push({
          [Symbol.dispose]: () => {
            this.#links--
            link.close()
          },
        })
      } catch (error) {
        const reason = `${nameOf(container)}: ${(error as Error).message.replaceAll(path, binary)}`
        const failure: Failure = { program: program.name, stage: 'attach', reason }
        this.#failures.add(failure)
        attached.push({ [Symbol.dispose]: () => void this.#failures.delete(failure) })
      }
    }
    this.#changed()
    return [...attached, { [Symbol.dispose]: this.#changed }]
  }
}

const nameOf = ({ namespace, pod, container, path }: Container): string =>
  [namespace, pod, container].filter((part) => part !== undefined).join('/') || path || '/'

/** What a section such as `uprobe/libssl.so.3:SSL_write` says, or what is wrong with it. */
function probeOf(program: Program, instead: string | undefined): Probe | string {
  const { section } = program
  const [, kind = '', target = ''] = /^([\w.]+)(?:\/(.*))?$/s.exec(section) ?? []
  const isUsdt = kind.startsWith('usdt')
  const [, named = '', place] = (isUsdt ? /^(.*):([^:]+:[^:]+)$/ : /^(.*):([^:]+)$/).exec(target) ?? []
  const binary = instead ?? named
  const form = isUsdt ? 'usdt/BINARY:PROVIDER:NAME' : `${kind}/BINARY:FUNCTION`
  if (place === undefined || binary === '')
    return `SEC("${section}") does not say what to attach to, as ${form} does`
  return { program, binary, attach: (path) => attachProbe(program, kind, path, place) }
}

function attachProbe(program: Program, kind: string, path: string, place: string): Link | Promise<Link> {
  const retprobe = kind.startsWith('uretprobe')
  if (kind.startsWith('usdt')) {
    const [provider = '', name = ''] = place.split(':')
    return program.attachUsdt(path, provider, name)
  }
  if (/\.(?:multi|session)\b/.test(kind))
    return program.attachUprobeMulti(path, { pattern: place, retprobe, session: kind.includes('.session') })
  const [, symbol = place, offset = '0'] = /^(.*)\+(0x[0-9a-f]+|\d+)$/i.exec(place) ?? []
  return program.attachUprobe(path, { symbol, offset: Number(offset), retprobe })
}
