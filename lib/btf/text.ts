/**
 * C strings. UTF-8 is decoded as usual. A byte that is not valid UTF-8 becomes a lone surrogate from U+DC80 to U+DCFF,
 * as with Python's "surrogateescape", and becomes the same byte again when it is written. So a key that was
 * read can be looked up, even if its bytes are not valid UTF-8.
 */

const fromCharCode = String.fromCharCode

// A few names (of commands, of interfaces) occur again and again. Reusing the string from last time costs half as much
// as making a new one. A collision only replaces an entry.
const recent = new Array<string>(1024).fill('')
const recentLength = 32

// The same for char[16], which most records have. These names are compared by their four words, not character by
// character.
const shortWords = new Int32Array(4 * 1024)
const shortTexts = new Array<string>(1024).fill('')

/** Reads a string that ends at a NUL or after `size` bytes. */
export function readText(view: DataView, offset: number, size: number): string {
  return size === 16 ? readShort(view, offset) : readAny(view, offset, size)
}

/** Reads a char[16]. Bytes after the NUL do not count, so they are masked. */
function readShort(view: DataView, offset: number): string {
  let a = view.getInt32(offset, true)
  let b = 0
  let c = 0
  let d = 0
  let zeros = zerosIn(a)
  if (zeros !== 0) {
    a &= below(zeros)
  } else {
    b = view.getInt32(offset + 4, true)
    zeros = zerosIn(b)
    if (zeros !== 0) {
      b &= below(zeros)
    } else {
      c = view.getInt32(offset + 8, true)
      zeros = zerosIn(c)
      if (zeros !== 0) {
        c &= below(zeros)
      } else {
        d = view.getInt32(offset + 12, true)
        zeros = zerosIn(d)
        if (zeros !== 0) d &= below(zeros)
      }
    }
  }
  let hash = Math.imul(a, 0x9e3779b1) ^ b
  hash = Math.imul(hash, 0x85ebca6b) ^ c
  hash = Math.imul(hash, 0xc2b2ae35) ^ d
  const slot = Math.imul(hash, 0x27d4eb2f) >>> 22
  const at = 4 * slot
  if (
    shortWords[at] === a &&
    shortWords[at + 1] === b &&
    shortWords[at + 2] === c &&
    shortWords[at + 3] === d
  ) {
    return shortTexts[slot]!
  }
  const text = readAny(view, offset, 16)
  shortWords[at] = a
  shortWords[at + 1] = b
  shortWords[at + 2] = c
  shortWords[at + 3] = d
  shortTexts[slot] = text
  return text
}

/** Sets a bit in the first zero byte of the word, and none below it. Returns 0 if no byte is zero. */
function zerosIn(word: number): number {
  return (word - 0x01010101) & ~word & 0x80808080
}

/** Makes a mask for the bytes before the first zero byte. */
function below(zeros: number): number {
  return ((zeros & -zeros) >>> 7) - 1
}

function readAny(view: DataView, offset: number, size: number): string {
  let hash = 0
  let length = 0
  for (; length < size; length++) {
    const c = view.getUint8(offset + length)
    if (c === 0) break
    if (c > 0x7f) return readUtf8(view, offset, size)
    hash = (Math.imul(hash, 31) + c) | 0
  }
  if (length > recentLength) {
    return Buffer.from(view.buffer, view.byteOffset + offset, length).toString('latin1')
  }
  const slot = (hash ^ (hash >>> 10)) & 1023
  const known = recent[slot]!
  if (known.length === length) {
    let i = 0
    while (i < length && known.charCodeAt(i) === view.getUint8(offset + i)) i++
    if (i === length) return known
  }
  let text = ''
  let i = 0
  for (; i + 4 <= length; i += 4) {
    const at = offset + i
    text += fromCharCode(
      view.getUint8(at),
      view.getUint8(at + 1),
      view.getUint8(at + 2),
      view.getUint8(at + 3),
    )
  }
  for (; i < length; i++) text += fromCharCode(view.getUint8(offset + i))
  recent[slot] = text
  return text
}

/** Reads a string that is not only ASCII. */
function readUtf8(view: DataView, offset: number, size: number): string {
  let text = ''
  let i = 0
  while (i < size) {
    const c = view.getUint8(offset + i)
    if (c === 0) break
    const length = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0
    const point =
      length === 1 ? c : length > 1 && i + length <= size ? sequence(view, offset + i, length) : -1
    if (point < 0) {
      text += fromCharCode(0xdc00 + c)
      i++
    } else {
      text += point < 0x10000 ? fromCharCode(point) : String.fromCodePoint(point)
      i += length
    }
  }
  return text
}

const smallest = [0, 0, 0x80, 0x800, 0x10000]

/**
 * Returns the code point of a sequence of 2 to 4 bytes; -1 if it is invalid: incomplete, overlong, a surrogate, or too
 * large.
 */
function sequence(view: DataView, offset: number, length: number): number {
  let point = view.getUint8(offset) & (0xff >> (length + 1))
  for (let i = 1; i < length; i++) {
    const c = view.getUint8(offset + i)
    if (c >> 6 !== 2) return -1
    point = (point << 6) | (c & 0x3f)
  }
  const valid = point >= smallest[length]! && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)
  return valid ? point : -1
}

/**
 * Writes a string. Returns false if it is longer than `size` bytes, or contains a NUL, which would end it early. It
 * writes no NUL at the end, because the caller has filled the place with zeros.
 */
export function writeText(view: DataView, offset: number, size: number, text: string): boolean {
  if (text.length > size) return false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === 0) return false
    if (c > 0x7f) return writeUtf8(view, offset, size, text)
    view.setUint8(offset + i, c)
  }
  return true
}

function writeUtf8(view: DataView, offset: number, size: number, text: string): boolean {
  const bytes = encodeText(text)
  if (bytes.length > size || bytes.includes(0)) return false
  for (let i = 0; i < bytes.length; i++) view.setUint8(offset + i, bytes[i]!)
  return true
}

const encoder = new TextEncoder()
// A lone low surrogate stands for a byte. The lookbehind excludes the second half of a pair.
const escaped = /(?<![\ud800-\udbff])[\udc80-\udcff]/

/** Returns the bytes of a string. Lone surrogates become the bytes that they stand for. */
export function encodeText(text: string): Uint8Array {
  if (!escaped.test(text)) return encoder.encode(text)
  const parts: number[] = []
  for (const character of text) {
    const point = character.codePointAt(0)!
    if (point >= 0xdc80 && point <= 0xdcff) parts.push(point - 0xdc00)
    else parts.push(...encoder.encode(character))
  }
  return Uint8Array.from(parts)
}
