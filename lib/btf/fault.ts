import { didYouMean } from '../errors/nearest.js'

/**
 * What is wrong with a value, and where. The code that finds it knows only the member at hand; each record and array
 * around it puts its own step in front while the fault passes through. At the top it becomes an error.
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

/** Passes on what was thrown; a fault gets the step `.name` or `[index]` in front of its path. */
export function within(thrown: unknown, step: string): never {
  if (thrown instanceof Fault) thrown.path = step + thrown.path
  throw thrown
}

/** Turns a fault into the error that a user sees; `root` is what the whole value is called. */
export function raise(thrown: unknown, root: string): never {
  if (thrown instanceof Fault) throw new thrown.kind(`${root}${thrown.path}: ${thrown.text}`)
  throw thrown
}

/** Any value in a message. */
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

/** Not of the type that is needed; or missing. */
export function wrongType(value: unknown, needed: string, path: string): never {
  throw new Fault(TypeError, path, value === undefined ? missing : `${show(value)} is not ${needed}`)
}

/** Not a number or bigint that fits the integer type `name`. */
export function badInteger(value: unknown, needed: string, name: string, path: string): never {
  if (typeof value === 'number' && !Number.isInteger(value)) {
    throw new Fault(RangeError, path, `${value} is not an integer`)
  }
  if (typeof value === 'number' && needed === 'a bigint' && !Number.isSafeInteger(value)) {
    throw new Fault(RangeError, path, `${value} is not exact as a number, give a bigint`)
  }
  if (typeof value === 'number' || (typeof value === 'bigint' && needed !== 'a number')) {
    throw new Fault(RangeError, path, `${value} does not fit ${name}`)
  }
  wrongType(value, needed, path)
}

/** Of the right type, but not a value that can be stored. */
export function outOfRange(text: string, path: string): never {
  throw new Fault(RangeError, path, text)
}

/** Throws if the value has a member that isn't known. */
export function checkMembers(value: object, known: ReadonlySet<string>): void {
  for (const name of Object.keys(value)) {
    if (!known.has(name)) throw new Fault(TypeError, `.${name}`, `no such member${didYouMean(name, known)}`)
  }
}

/** Passes on what was thrown; but that a member is missing may be due to another one with a slip in its name. */
export function unlessUnknown(thrown: unknown, value: object, known: ReadonlySet<string>): never {
  if (thrown instanceof Fault && thrown.text === missing) checkMembers(value, known)
  throw thrown
}

/** No member of a union is given. */
export function noneGiven(names: readonly string[]): never {
  throw new Fault(TypeError, '', `one of ${list(names, 'and')} is needed, they share a union`)
}

/** Members of one union are given that can't all be true. */
export function conflict(value: Readonly<Record<string, unknown>>, names: readonly string[]): never {
  const given = names.filter((name) => value[name] !== undefined)
  throw new Fault(TypeError, '', `${list(given, 'and')} share a union and do not agree: give one of them`)
}

function list(names: readonly string[], word: string): string {
  const some = names.length > 6 ? [...names.slice(0, 5), `${names.length - 5} more`] : names
  return some.length < 2 ? some.join('') : `${some.slice(0, -1).join(', ')} ${word} ${some.at(-1)}`
}
