import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { native } from '../native/binding.js'
import { expectString } from './attachable.js'
import { type Interface, interfaceIndex } from './interface.js'

/** TC_H_ROOT of linux/pkt_sched.h. */
const TC_H_ROOT = 0xffff_ffff

export interface QdiscOptions {
  /** The class that it serves, `major << 16 | minor`; by default it is the root, which serves the interface. */
  parent?: number
  /** The number of the qdisc, `major << 16`; by default, the kernel chooses one. */
  handle?: number
}

/**
 * A queueing discipline of an interface. BPF programs can implement one: attach a `Qdisc_ops` struct_ops map (Linux
 * 6.16), and create a qdisc by its `id`. It also works for the kernel's own, such as 'fq'. (BPF_TC_QDISC of libbpf's
 * `bpf_tc_hook_create`)
 *
 * @example
 * using link = obj.map('fifo').attachStructOps()
 * const qdisc = new Qdisc('eth0', 'bpf_fifo')
 * qdisc.create()
 */
export class Qdisc {
  readonly interface: Interface
  readonly kind: string
  readonly #ifindex: number
  readonly #parent: number
  readonly #handle: number

  /** @param kind - the name of the qdisc, such as 'fq' or the `id` of a `Qdisc_ops` */
  constructor(on: Interface, kind: string, { parent = TC_H_ROOT, handle = 0 }: QdiscOptions = {}) {
    expectString('kind', kind)
    this.interface = on
    this.kind = kind
    this.#ifindex = interfaceIndex(on)
    this.#parent = parent
    this.#handle = handle
  }

  /** Creates the qdisc. (`bpf_tc_hook_create`) @returns false if there is one already that is not the default */
  create(): boolean {
    try {
      this.#do('create', () => native.qdiscCreate(this.#ifindex, this.#parent, this.#handle, this.kind))
      return true
    } catch (error) {
      if (error instanceof BpfError && error.errno === constants.errno.EEXIST) return false
      throw error
    }
  }

  /** Removes the qdisc; the interface gets its default again. (`bpf_tc_hook_destroy`) */
  destroy(): void {
    this.#do('remove', () => native.qdiscDestroy(this.#ifindex, this.#parent, this.#handle, this.kind))
  }

  #do(what: string, call: () => void): void {
    const subject = {
      what: `${what} qdisc '${this.kind}' of '${this.interface}'`,
      target: String(this.interface),
      arguments: ['interface', 'parent', 'handle', 'kind'],
      capabilities: () => ['CAP_NET_ADMIN' as const],
      reason: ({ errno }: NativeError) => {
        if (errno === constants.errno.ENODEV) return 'no such interface'
        return errno === constants.errno.ENOENT
          ? `there is no qdisc of the kind '${this.kind}': neither the kernel nor a BPF program provides it`
          : undefined
      },
    }
    attempt(subject, call)
  }
}
