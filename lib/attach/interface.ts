import { readdirSync } from 'node:fs'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import { native } from '../native/binding.js'
import { expectString } from './attachable.js'

/** A network interface, by its name or its index. */
export type Interface = string | number

/** Looks an interface up in the network namespace of this thread. */
export function interfaceIndex(wanted: Interface): number {
  if (typeof wanted === 'number') {
    if (Number.isInteger(wanted) && wanted > 0) return wanted
    throw new TypeError(`interface must be a name or an index: ${wanted}`)
  }
  expectString('interface', wanted)
  const index = attempt({ what: 'look up an interface', arguments: ['interface'] }, () =>
    native.interfaceIndex(wanted),
  )
  if (index !== undefined) return index
  throw new BpfError(`no such network interface '${wanted}'${didYouMean(wanted, names())} (ENODEV)`, {
    code: 'ENODEV',
    errno: 19,
    operation: 'if_nametoindex',
    target: wanted,
  })
}

function names(): string[] {
  try {
    return readdirSync('/sys/class/net')
  } catch {
    return []
  }
}
