// The two ways in which Rust mangles names: the legacy one, which looks like C++, and v0.

/** The name as it is in the source; `undefined` if it is not Rust's. */
export function demangleRust(name: string): string | undefined {
  if (name.startsWith('_R')) {
    const [, mangled = '', suffix = ''] = /^_R([0-9A-Za-z_]+)(.*)$/s.exec(name) ?? []
    return mangled === '' ? undefined : new Decoder(mangled).run(suffix)
  }
  return demangleLegacy(name)
}

const escapes: Readonly<Record<string, string>> = {
  SP: '@',
  BP: '*',
  RF: '&',
  LT: '<',
  GT: '>',
  LP: '(',
  RP: ')',
  C: ',',
}

/** `_ZN4core3fmt9Formatter3pad17h0123456789abcdefE`: the last part is a hash. */
function demangleLegacy(name: string): string | undefined {
  const [, body = '', suffix = ''] =
    /^_{1,2}ZN((?:\d+[^\d].*?)17h[0-9a-f]{16})E((?:\.[\w.]+)?)$/s.exec(name) ?? []
  const parts: string[] = []
  for (let at = 0; at < body.length; ) {
    const [digits = ''] = /^\d+/.exec(body.slice(at, at + 4)) ?? []
    const length = Number(digits)
    at += digits.length
    if (digits === '' || length === 0 || at + length > body.length) return undefined
    parts.push(body.slice(at, at + length))
    at += length
  }
  if (parts.length < 2 || !/^h[0-9a-f]{16}$/.test(parts.at(-1)!)) return undefined
  const text = parts.slice(0, -1).map(unescapeLegacy).join('::')
  return `${text}${suffix.replace(/\.llvm\.\w+$/, '')}`
}

function unescapeLegacy(part: string): string {
  // An underscore is put in front if the name would begin with `$`.
  return part
    .replace(/^_\$/, '$')
    .replaceAll('..', '::')
    .replace(/\$(\w+)\$/g, (whole, code: string) => {
      if (/^u[0-9a-f]+$/.test(code)) return characterOf(code.slice(1)) ?? whole
      return escapes[code] ?? whole
    })
}

function characterOf(hex: string): string | undefined {
  const code = Number.parseInt(hex, 16)
  return code <= 0x10ffff && code >= 0x20 ? String.fromCodePoint(code) : undefined
}

const basicTypes: Readonly<Record<string, string>> = {
  a: 'i8',
  b: 'bool',
  c: 'char',
  d: 'f64',
  e: 'str',
  f: 'f32',
  h: 'u8',
  i: 'isize',
  j: 'usize',
  l: 'i32',
  m: 'u32',
  n: 'i128',
  o: 'u128',
  p: '_',
  s: 'i16',
  t: 'u16',
  u: '()',
  v: '...',
  x: 'i64',
  y: 'u64',
  z: '!',
}

/** Back references can double a name again and again, so its length and its depth are limited. */
const longest = 1 << 16
const deepest = 256

class Refused extends Error {}

/** Decodes v0, which https://doc.rust-lang.org/rustc/symbol-mangling/v0.html describes. */
class Decoder {
  readonly #text: string
  #at = 0
  #depth = 0
  #written = 0
  /** The lifetimes that `for<'a>` has introduced around here. */
  #lifetimes = 0

  constructor(text: string) {
    this.#text = text
  }

  run(suffix: string): string | undefined {
    try {
      // A digit would be a later version of the scheme.
      if (/^\d/.test(this.#text)) return undefined
      const path = this.#path(true)
      // The crate that instantiated it is not part of the name.
      if (this.#at < this.#text.length) this.#path(false)
      return this.#at === this.#text.length ? `${path}${suffix.replace(/\.llvm\.\w+$/, '')}` : undefined
    } catch (error) {
      if (error instanceof Refused) return undefined
      throw error
    }
  }

  #next(): string {
    const character = this.#text[this.#at++]
    if (character === undefined) throw new Refused()
    return character
  }

  #eat(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  /** Everything that is written comes through here. */
  #within<T extends string>(work: () => T): T {
    if (++this.#depth > deepest) throw new Refused()
    const text = work()
    this.#depth--
    this.#written += text.length
    if (this.#written > longest) throw new Refused()
    return text
  }

  #base62(): number {
    if (this.#eat('_')) return 0
    let value = 0
    for (;;) {
      const character = this.#next()
      if (character === '_') return value + 1
      const digit = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'.indexOf(character)
      value = value * 62 + digit
      // Crates have 64-bit numbers, which are not shown.
      if (digit < 0 || value > 2 ** 64) throw new Refused()
    }
  }

  /** 0 without one. */
  #optionalBase62(tag: string): number {
    return this.#eat(tag) ? this.#base62() + 1 : 0
  }

  #reference<T>(decode: () => T): T {
    const begin = this.#at - 1
    const target = this.#base62()
    if (target >= begin) throw new Refused()
    const back = this.#at
    this.#at = target
    const found = decode()
    this.#at = back
    return found
  }

  /** @returns the disambiguator and the name */
  #identifier(): [number, string] {
    const disambiguator = this.#optionalBase62('s')
    const isPunycode = this.#eat('u')
    let digits = ''
    while (/\d/.test(this.#text[this.#at] ?? '')) digits += this.#next()
    if (digits === '') throw new Refused()
    this.#eat('_')
    const end = this.#at + Number(digits)
    if (end > this.#text.length) throw new Refused()
    const name = this.#text.slice(this.#at, end)
    this.#at = end
    return [disambiguator, isPunycode ? `punycode{${name}}` : name]
  }

  #path(inValue: boolean): string {
    return this.#within(() => {
      switch (this.#next()) {
        case 'C':
          return this.#identifier()[1]
        case 'M':
          this.#implPath()
          return `<${this.#type()}>`
        case 'X':
          this.#implPath()
          return `<${this.#type()} as ${this.#path(false)}>`
        case 'Y':
          return `<${this.#type()} as ${this.#path(false)}>`
        case 'N': {
          const namespace = this.#next()
          const path = this.#path(inValue)
          const [disambiguator, name] = this.#identifier()
          if (!/[A-Z]/.test(namespace)) return name === '' ? path : `${path}::${name}`
          const kind = { C: 'closure', S: 'shim' }[namespace] ?? namespace
          return `${path}::{${kind}${name === '' ? '' : `:${name}`}#${disambiguator}}`
        }
        case 'I': {
          const path = this.#path(inValue)
          const list = this.#until(() => this.#genericArgument())
          return `${path}${inValue ? '::' : ''}<${list.join(', ')}>`
        }
        case 'B':
          return this.#reference(() => this.#path(inValue))
        default:
          throw new Refused()
      }
    })
  }

  #implPath(): void {
    this.#optionalBase62('s')
    this.#path(false)
  }

  #until(decode: () => string): string[] {
    const found: string[] = []
    while (!this.#eat('E')) found.push(decode())
    return found
  }

  #genericArgument(): string {
    if (this.#eat('L')) return this.#lifetime()
    return this.#eat('K') ? this.#constant() : this.#type()
  }

  #lifetime(): string {
    const index = this.#base62()
    if (index === 0) return "'_"
    const depth = this.#lifetimes - index
    if (depth < 0) throw new Refused()
    return depth < 26 ? `'${String.fromCharCode(97 + depth)}` : `'_${depth}`
  }

  /** `for<'a, 'b> `, whose lifetimes exist in what `decode` reads. */
  #binder(decode: () => string): string {
    const count = this.#optionalBase62('G')
    if (count > 64) throw new Refused()
    const names = Array.from({ length: count }, (_, i) => {
      const depth = this.#lifetimes + i
      return depth < 26 ? `'${String.fromCharCode(97 + depth)}` : `'_${depth}`
    })
    this.#lifetimes += count
    const text = decode()
    this.#lifetimes -= count
    return count === 0 ? text : `for<${names.join(', ')}> ${text}`
  }

  #type(): string {
    return this.#within(() => {
      const tag = this.#next()
      const basic = basicTypes[tag]
      if (basic !== undefined) return basic
      switch (tag) {
        case 'A': {
          const type = this.#type()
          return `[${type}; ${this.#constant()}]`
        }
        case 'S':
          return `[${this.#type()}]`
        case 'T': {
          const types = this.#until(() => this.#type())
          return `(${types.join(', ')}${types.length === 1 ? ',' : ''})`
        }
        case 'R':
        case 'Q': {
          const lifetime = this.#eat('L') ? this.#lifetime() : "'_"
          return `&${lifetime === "'_" ? '' : `${lifetime} `}${tag === 'Q' ? 'mut ' : ''}${this.#type()}`
        }
        case 'P':
          return `*const ${this.#type()}`
        case 'O':
          return `*mut ${this.#type()}`
        case 'F':
          return this.#binder(() => this.#functionType())
        case 'D':
          return this.#dynType()
        case 'B':
          return this.#reference(() => this.#type())
        default:
          this.#at--
          return this.#path(false)
      }
    })
  }

  #functionType(): string {
    const unsafe = this.#eat('U') ? 'unsafe ' : ''
    let abi = ''
    if (this.#eat('K')) abi = `extern "${this.#eat('C') ? 'C' : this.#identifier()[1].replaceAll('_', '-')}" `
    const parameters = this.#until(() => this.#type())
    const result = this.#type()
    return `${unsafe}${abi}fn(${parameters.join(', ')})${result === '()' ? '' : ` -> ${result}`}`
  }

  #dynType(): string {
    const bounds = this.#binder(() => this.#until(() => this.#dynTrait()).join(' + '))
    if (!this.#eat('L')) throw new Refused()
    const lifetime = this.#lifetime()
    return `dyn ${bounds}${lifetime === "'_" ? '' : ` + ${lifetime}`}`
  }

  #dynTrait(): string {
    const path = this.#path(false)
    const bindings: string[] = []
    while (this.#eat('p')) {
      const [, name] = this.#identifier()
      bindings.push(`${name} = ${this.#type()}`)
    }
    if (bindings.length === 0) return path
    return path.endsWith('>')
      ? `${path.slice(0, -1)}, ${bindings.join(', ')}>`
      : `${path}<${bindings.join(', ')}>`
  }

  #constant(): string {
    return this.#within(() => {
      if (this.#eat('B')) return this.#reference(() => this.#constant())
      const tag = this.#next()
      if (tag === 'p') return '_'
      const type = basicTypes[tag]
      const isNegative = this.#eat('n')
      let digits = ''
      for (let character = this.#next(); character !== '_'; character = this.#next()) digits += character
      if (type === undefined || !/^[0-9a-f]*$/.test(digits)) throw new Refused()
      const value = BigInt(`0x${digits || '0'}`)
      if (type === 'bool') return value === 0n ? 'false' : 'true'
      if (type === 'char') return `'${characterOf(digits) ?? `\\u{${digits}}`}'`
      return `${isNegative ? '-' : ''}${value}`
    })
  }
}
