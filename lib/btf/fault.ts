import { didYouMean } from '../errors/nearest.js'

/**
 * Says what is wrong with a value, and where. The code that throws it knows only the member itself. Each record and
 * array around the member adds its own step in front of the path while the fault passes through, and at the top the
 * fault becomes an error.
 */
class Fault {
  path: string
  readonly text: string
  readonly kind: typeof TypeError | typeof RangeError

  constructor(kind: typeof TypeError | typeof RangeError, path: string, text: string) {
    this.kind = kind
    this.path = path
    this.text = text
  }
}

/** Throws the error again. If it is a fault, first puts the step `.name` or `[index]` in front of its path. */
export function within(thrown: unknown, step: string): never {
  if (thrown instanceof Fault) thrown.path = step + thrown.path
  throw thrown
}

/** Turns a fault into an error. `root` is the name of the whole value. */
export function raise(thrown: unknown, root: string): never {
  if (thrown instanceof Fault) throw new thrown.kind(`${root}${thrown.path}: ${thrown.text}`)
  throw thrown
}

/** Describes any value for a message. */
function show(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value)
    case 'bigint':
      return `${value}n`
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value) ? 'an array' : value instanceof Uint8Array ? 'a Uint8Array' : 'an object'
    case 'function':
      return 'a function'
    default:
      return String(value)
  }
}

const missing = 'missing'

/** Throws because a value is missing, or does not have the required type. */
export function wrongType(value: unknown, needed: string, path: string): never {
  throw new Fault(TypeError, path, value === undefined ? missing : `${show(value)} is not ${needed}`)
}

/** Throws because a value is not a number or bigint that fits the integer type `name`. */
export function badInteger(value: unknown, needed: string, name: string, path: string): never {
  if (typeof value === 'number' && !Number.isInteger(value)) {
    throw new Fault(RangeError, path, `${value} is not an integer`)
  }
  if (typeof value === 'number' && needed === 'a bigint' && !Number.isSafeInteger(value)) {
    throw new Fault(RangeError, path, `${value} is too large for a number to be exact, so pass a bigint`)
  }
  if (typeof value === 'number' || (typeof value === 'bigint' && needed !== 'a number')) {
    throw new Fault(RangeError, path, `${value} does not fit ${name}`)
  }
  wrongType(value, needed, path)
}

/** Throws because a value of the right type cannot be stored. */
export function outOfRange(text: string, path: string): never {
  throw new Fault(RangeError, path, text)
}

/** Throws if the value has a member that the type does not have. */
export function checkMembers(value: object, known: ReadonlySet<string>): void {
  for (const name of Object.keys(value)) {
    if (!known.has(name)) throw new Fault(TypeError, `.${name}`, `no such member${didYouMean(name, known)}`)
  }
}

/**
 * Throws the error again. But if a member is missing and another one is unknown, that is probably a typo, so the error
 * is about the unknown one.
 */
export function unlessUnknown(thrown: unknown, value: object, known: ReadonlySet<string>): never {
  if (thrown instanceof Fault && thrown.text === missing) checkMembers(value, known)
  throw thrown
}

/** Throws because no member of a union is given. */
export function noneGiven(names: readonly string[]): never {
  throw new Fault(TypeError, '', `one of ${list(names, 'and')} is required, because they share a union`)
}

/** Throws because several members of a union are given, and their bytes differ. */
export function conflict(value: Readonly<Record<string, unknown>>, names: readonly string[]): never {
  const given = names.filter((name) => value[name] !== undefined)
  throw new Fault(
    TypeError,
    '',
    `${list(given, 'and')} share a union but do not agree: give only one of them`,
  )
}

function list(names: readonly string[], word: string): string {
  const some = names.length > 6 ? [...names.slice(0, 5), `${names.length - 5} more`] : names
  return some.length < 2 ? some.join('') : `${some.slice(0, -1).join(', ')} ${word} ${some.at(-1)}`
}
