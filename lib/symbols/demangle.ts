import { native } from '../native/binding.js'
import { demangleRust } from './rust.js'

/** No name that people read is longer. */
const longestName = 4096
const longestResult = 1 << 20

/**
 * The name of a C++ or Rust function as it is in the source; other names stay as they are. Suffixes that compilers add
 * for a part or a copy of a function stay, such as `.cold` or `.constprop.0`.
 */
export function demangle(name: string): string {
  if (name.length > longestName) return name
  const rust = demangleRust(name)
  if (rust !== undefined) return rust
  if (!/^_{1,3}Z/.test(name) || !isHarmless(name)) return name
  // Not every library accepts the suffix as part of the mangled name.
  const [, mangled = name, suffix = ''] = /^(.*?)((?:\.(?!_)[\w$]+)*(?:@plt)?)$/s.exec(name) ?? []
  const text = native.demangle(mangled.replace(/^_+Z/, '_Z'))
  // GNU's library writes `> >`, and LLVM's, which is in the prebuilt addons, `>>`.
  return text === undefined ? name : `${text.replace(/> (?=>)/g, '>')}${suffix}`
}

/**
 * Whether a name is sure not to become huge when it is demangled. Names refer to parts of themselves, and parts made of
 * such references double in length each time, so a few hundred characters in a malicious file could fill the memory.
 */
function isHarmless(name: string): boolean {
  // How long the text before a position can be, and with it every part that is complete there.
  let total = 0
  let last = 0
  const longest = new Map<string, number>()
  for (const { 0: reference, 1: kind = '', 2: digits = '', index } of name.matchAll(/([ST])([0-9A-Z]*)_/g)) {
    total += index - last
    last = index + reference.length
    const part = digits === '' ? 0 : Number.parseInt(digits, 36) + 1
    // A part with a lower number is not longer than it was when a higher number was first used.
    let size = total
    for (const [key, known] of longest) {
      if (key[0] === kind && Number(key.slice(1)) >= part) size = Math.min(size, known)
    }
    longest.set(`${kind}${part}`, Math.min(size, longest.get(`${kind}${part}`) ?? size))
    total += size
    if (total > longestResult) return false
  }
  return true
}
