import { CompileError, compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'

/** The message without the line that is shown. */
function mistake(head: string, body = 'return 0', oldestKernel?: string): string {
  try {
    compile(
      `${head}\nexport const p = tc((packet) => { ${body} })\nexport const license = 'GPL'`,
      oldestKernel === undefined ? {} : { oldestKernel },
    )
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    return [error.reason, error.hint].filter((text) => text !== undefined).join(' | ')
  }
  throw new Error('it was compiled')
}

describe('a mistake in the declaration of a map', () => {
  it.each([
    [
      'interface L { lock: spinLock; n: u64 }\nexport const m = percpuArray<L>(1)',
      'a spin lock can be in the values of hash, array, taskStorage, socketStorage, inodeStorage, cgroupStorage, and not of percpuArray',
    ],
    [
      'interface T { timers: array<timer, 2> }\nexport const m = percpuHash<u32, T>(1)',
      'a timer can be in the values of hash, lruHash, array, and not of percpuHash',
    ],
    [
      'export const m = hash<u32, u64>(5_000_000_000)',
      'a map has at most 4294967295 entries, and this is 5000000000',
    ],
    [
      'export const größe = hash<u32, u64>(4)',
      "'größe' is a name that the kernel does not take | Names of maps, variables and programs have the letters A to Z, digits and _.",
    ],
    [
      'interface E<T> { value: T }\nexport const m = hash<u32, E<u64>>(4)',
      'an interface has no type parameters here | Write an interface for each type.',
    ],
    [
      'const n = 4\nexport const m = hash<u32, array<u32, n>>(4)',
      'the length has to be a number above 0 | Write typeof n, if n is a constant.',
    ],
    ['export const m = queue<u32, u64>(4)', 'queue needs the type of its values | Write queue<u64>(1024).'],
    [
      'export const m = lpmTrie<u32, u64>(4)',
      'the key of an LPM trie is an interface whose first member is the length of the prefix, in bits | Write interface Key { prefixlen: u32; address: bytes<4> }.',
    ],
    ['export const m = stackTraces<u64>(4)', 'stackTraces has no types | Write stackTraces(1024).'],
    ['export const m = devmap()', 'devmap needs its size: a constant number of entries'],
    [
      'export const m = hash<u32, u64>(4, { pinned: true })',
      "a map has no option 'pinned' | It has noPrealloc, noCommonLru, readOnlyForUser, writeOnlyForUser, readOnlyForPrograms, writeOnlyForPrograms, mmapable, pin, flags, numaNode, countLost, hashes.",
    ],
    ['export const m = hash<u32, u64>(4, true)', 'the options of a map are written as { pin: true }'],
    ['export const m = hash<u32, u64>(4, {}, 1)', 'hash has no more arguments | Write hash<u32, u64>(1024).'],
    [
      'export const m = hashOfMaps<u32>(4)',
      'hashOfMaps needs to know what the maps in it are like | Write hashOfMaps<u32>(1024, hash<u32, u64>(64)).',
    ],
    [
      'export const m = arrayOfMaps(4, arrayOfMaps(4, array<u64>(1)))',
      'the maps in a map of maps are no maps of maps',
    ],
    ['export const m = programArray([5])', 'this is the name of a program of the file'],
    ['export const m = taskStorage<u64>(4)', 'the options of a map are written as { pin: true }'],
  ])('%s', (head, expected) => {
    expect(mistake(head)).toBe(expected)
  })
})

/** A machine with arm64 would stop, and the verifier does not see it. */
const unalignedSum =
  'an addition that CPUs may make at the same time needs a u64 whose address is a multiple of 8; in a value of this lpmTrie it is only one of 4, and machines with arm64 would stop | The value directly follows the bytes of the key. Count in a u32, or let the value be an index into a percpuArray, and count there.'

describe('a mistake in the use of a map', () => {
  const locked = 'interface V { lock: spinLock; a: u64 }\nexport const m = array<V>(1)'
  const timed = 'interface V { timer: timer }\nexport const m = array<V>(1)'
  it.each([
    [
      'export const m = queue<u64>(4)',
      'const v = m.pop(); return v.value === 1 ? 1 : 0',
      "'v' may be null here | Compare it first: if (!v) return TC.PASS.",
    ],
    [
      'interface K { prefixlen: u32; address: be32 }\nexport const m = lpmTrie<K, u64>(4)',
      'const key: K = { prefixlen: 32, address: 1 }; m.add(key, 1); return 0',
      unalignedSum,
    ],
    [
      'interface K { prefixlen: u32; address: be32 }\nexport const m = lpmTrie<K, V>(4)\ninterface V { a: u32; n: u64 }\nexport const other = hash<u32, V>(4)\nfunction count(v: V): void { v.n += 1 }',
      'const good = other.get(1); if (good) count(good); const key: K = { prefixlen: 32, address: 1 }; const v = m.get(key); if (v) count(v); return 0',
      unalignedSum,
    ],
    [
      'export const m = queue<u64>(4)',
      'm.get(1); return 0',
      "queue has no function 'get' | It has push, pop, peek.",
    ],
    [
      'export const m = hashOfMaps<u32>(4, hash<u32, u64>(4))',
      'const i = m.get(1); i.set(1, 2); return 0',
      "'i' may be null here | Compare it first: if (!i) return TC.PASS.",
    ],
    [
      'export const m = devmap(4)',
      'm.redirect(1, 2, 3); return 0',
      'redirect has 1 or 2 arguments, and 3 are given',
    ],
    [
      'export const m = sockmap(4)',
      'm.redirect(1); return 0',
      'tc programs cannot send on to a socket | skMsg and skSkbVerdict programs can.',
    ],
    [
      'export const m = sockmap(4)',
      'm.add(1); return 0',
      'only sockOps programs have a socket that they could add | User space adds others.',
    ],
    [
      'export const m = sockmap(4)',
      'const sk = m.get(1); if (!sk) return 0; return 1',
      "the reference 'sk' is still held here | Call bpf.skRelease(sk) first.",
    ],
    [
      'export const m = taskStorage<u64>()',
      'm.get(5); return 0',
      "'taskStruct' is a pointer to a struct task_struct, and this is a number",
    ],
    [
      locked,
      'const v = m.get(0); if (!v) return 0; v.lock.acquire(); return 0',
      "the lock 'v.lock' is still held here | Call v.lock.release() first.",
    ],
    [
      locked,
      'const v = m.get(0); if (!v) return 0; v.lock.acquire(); v.a = bpf.ktimeGetNs(); v.lock.release(); return 0',
      "the kernel cannot be called while the lock 'v.lock' is held | Call v.lock.release() first.",
    ],
    [
      locked,
      'const v = m.get(0); if (!v) return 0; v.lock.acquire(); m.get(1); v.lock.release(); return 0',
      "the kernel cannot be called while the lock 'v.lock' is held | Call v.lock.release() first.",
    ],
    [
      locked,
      'const v = m.get(0); if (!v) return 0; v.lock.release(); return 0',
      "the lock 'v.lock' is not held here",
    ],
    [
      locked,
      'const v = m.get(0); if (!v) return 0; v.lock.acquire(); v.lock.acquire(); return 0',
      "the lock 'v.lock' is held already, and only one can be",
    ],
    [
      locked,
      'const v = m.get(0); if (!v) return 0; v.lock.take(); return 0',
      "a spin lock has no function 'take' | It has acquire and release.",
    ],
    [
      timed,
      'const v = m.get(0); if (!v) return 0; v.timer.start(5); return 0',
      'start needs a time in nanoseconds, and the function that runs then | Write timer.start(1_000_000_000, (key, value) => { ... }).',
    ],
    [
      timed,
      'const v = m.get(0); if (!v) return 0; v.timer.start(5, (a, b, c) => 0); return 0',
      'this function has 2 parameters',
    ],
    [
      'export const m = hash<u32, u64>(4)',
      'const x: u32 = 1; m.forEach((key, value) => { value.value += x; return 0 }); return 0',
      "'x' belongs to the function around this one, which the kernel calls without it | Keep it in a map, or in a variable of the file: let x = data<u64>(0).",
    ],
  ])('%s %s', (head, body, expected) => {
    expect(mistake(head, body)).toBe(expected)
  })

  it('because of the oldest kernel', () => {
    expect(mistake('export const m = queue<u64>(4)', 'm.pop(); return 0', '4.19')).toBe(
      'queue needs Linux 4.20, and the program has to load into 4.19',
    )
    expect(
      mistake('export const m = hash<u32, u64>(4)', 'm.forEach((key, value) => 0); return 0', '5.10'),
    ).toBe('forEach needs Linux 5.13, and the program has to load into 5.10')
  })

  it('because the program may sleep', () => {
    expect(() =>
      compile('export const m = bloomFilter<u64>(4)\nexport const p = syscall(() => { m.add(1); return 0 })'),
    ).toThrow('syscall programs may sleep, and those cannot use a map of the kind bloomFilter')
  })
})

describe('a mistake with what only the kernel changes', () => {
  const head = `
    interface Locked { lock: spinLock; n: u64 }
    interface Timed { timer: timer; n: u64 }
    export const locked = array<Locked>(1)
    export const timed = array<Timed>(1)
    export const license = 'GPL'\n`
  const mistakeIn = (program: string): string => {
    try {
      compile(head + program)
    } catch (error) {
      if (error instanceof CompileError) return [error.reason, error.hint].filter(Boolean).join(' | ')
    }
    return 'compiled'
  }

  it.each([
    [
      "export const p = rawTp('sched_switch', () => { const l = locked.get(0); return l ? 1 : 0 })",
      'rawTp programs cannot use a map with a spin lock | Programs of tpBtf, fentry, packets and sockets can.',
    ],
    [
      "export const p = uprobe('/bin/true:main', () => { const t = timed.get(0); return t ? 1 : 0 })",
      'uprobe programs cannot use a map with a timer | Programs of tpBtf, fentry, packets and sockets can.',
    ],
    [
      'export const p = socketFilter(() => { const l = locked.get(0); return l ? 1 : 0 })',
      'socketFilter programs cannot use a map with a spin lock',
    ],
    ['export const p = socketFilter(() => { const t = timed.get(0); return t ? 1 : 0 })', 'compiled'],
    [
      "export const p = tpBtf('sched_switch', () => { const l = locked.get(0); return l ? 1 : 0 })",
      'compiled',
    ],
    [
      'export const p = tc(() => { const l = zero<Locked>(); l.lock.acquire(); return 0 })',
      'a spin lock has to be in the value of a map | Get it from the map: map.get(key).',
    ],
    [
      'export const p = tc(() => { const l = locked.get(0); if (l) l.lock = l.lock; return 0 })',
      'only the kernel changes a spin lock | Leave it out.',
    ],
  ])('%s', (program, message) => {
    expect(mistakeIn(program)).toBe(message)
  })
})

describe('a mistake with programs that go on in others', () => {
  it.each([
    [
      `export const other = tcIngress(() => TC.PASS)
       export const jumps = programArray([other])
       export const p = xdp(() => { jumps.call(0); return XDP.PASS })`,
      "this xdp program cannot go on in 'other', which is a tcIngress program | All programs of an array, and those that call them, are of one kind.",
    ],
    [
      `export const jumps = programArray([firts])
       export const first = xdp(() => XDP.PASS)`,
      "'firts' is not a program of the file | Did you mean 'first'?",
    ],
    [
      `export const jumps = programArray([help])
       function help(): u32 { return 1 }
       export const first = xdp(() => XDP.PASS)`,
      "'help' is not a program of the file",
    ],
    [
      `export const jumps = programArray(2)
       export const other = tcIngress(() => { jumps.call(0); return TC.PASS })
       export const p = xdp(() => { jumps.call(0); return XDP.PASS })`,
      "'jumps' is used by tcIngress programs, and not by xdp programs | All programs of an array, and those that call them, are of one kind. Declare another array.",
    ],
    [
      `export const jumps = programArray(2)
       export const other = tcIngress(() => { jumps.call(0); return TC.PASS })
       export const p = tcEgress(() => { jumps.call(0); return TC.PASS })`,
      'compiled',
    ],
  ])('%s', (text, message) => {
    let found = 'compiled'
    try {
      compile(text)
    } catch (error) {
      found = [(error as CompileError).reason, (error as CompileError).hint].filter(Boolean).join(' | ')
    }
    expect(found).toBe(message)
  })
})
