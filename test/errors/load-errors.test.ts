import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { BpfError, BpfMap, BpfObject, type MapLayout, VerifierError } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { asNobody, copyForEveryone, runChild } from '../helpers/child.js'
import { compile } from '../helpers/compile.js'
import { kernelIs, requiresFeature } from '../helpers/kernel.js'
import { load, thrownBy } from '../helpers/objects.js'
import { useBpffs } from '../helpers/privileged.js'

const prelude = `
  #define SEC(name) __attribute__((section(name), used))
  #define __uint(name, val) int (*name)[val]
  #define __kconfig __attribute__((section(".kconfig")))
  typedef unsigned int u32;
  typedef unsigned long long u64;
  char LICENSE[] SEC("license") = "GPL";
`

/** The object that a piece of C compiles to. */
const objectOf = (source: string): Uint8Array =>
  compile('clang', ['-g', '-O2', '-target', 'bpf', '-c'], prelude + source)

/** How an object of a piece of C fails to open or to load. */
function failureOf(source: string, kconfig?: string): BpfError {
  const bytes = objectOf(source)
  const error = thrownBy(() => {
    using object = BpfObject.open(bytes, { name: 'c', ...(kconfig !== undefined && { kconfig }) })
    object.loadSync()
  })
  if (error instanceof BpfError) return error
  throw error
}

const program = (section: string, body = 'return 0;') =>
  `SEC("${section}") int program(void* ctx) { ${body} }`

describe('an error of load names what libbpf names', () => {
  it('extern variables that another object defines', () => {
    const { message } = failureOf(`extern int other; ${program('socket', 'return other;')}`)
    expect(message).toMatch(
      /^open object 'c': 'other' is declared extern and not defined in this file: link this object with/,
    )
  })

  it('extern functions that another object defines', () => {
    const { message } = failureOf(`extern int other(int n); ${program('socket', 'return other(1);')}`)
    expect(message).toMatch(/'other' is declared extern and not defined in this file: link this object with/)
  })

  it('kernel functions that this kernel lacks', () => {
    const { message } = failureOf(
      `extern int bpf_no_such(int n) SEC(".ksyms"); ${program('socket', 'return bpf_no_such(1);')}`,
    )
    expect(message).toMatch(
      /neither this kernel nor a loaded module has a function 'bpf_no_such' that programs can call/,
    )
  })

  it('the struct_ops that this kernel lacks', () => {
    const { message } = failureOf(`
      struct no_such_ops { int number; };
      SEC(".struct_ops") struct no_such_ops ops = { .number = 1 };
      ${program('socket')}`)
    expect(message).toMatch(/this kernel has no struct_ops of type no_such_ops/)
  })

  it('the section name that libbpf does not know', () => {
    expect(failureOf(program('kporbe/x')).message).toMatch(
      /SEC\("kporbe\/x"\) of program 'program' is not a section name that libbpf knows; did you mean 'kprobe'/,
    )
  })

  it('the configuration that cannot be read, and where it was looked for', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
    const path = join(folder, 'kconfig.bpf.o')
    writeFileSync(path, objectOf(`extern int CONFIG_HZ __kconfig; ${program('socket', 'return CONFIG_HZ;')}`))
    const script = `
      import { BpfObject } from 'libbpf-node'
      for (const kconfig of [undefined, 'CONFIG_HZ=250']) {
        const object = BpfObject.open(process.argv[1], { kconfig })
        try { object.loadSync(); console.log('loaded') } catch (error) { console.log(error.message) }
        object.close()
      }`
    // With subset=pid /proc has processes only.
    const hide = 'mount -t tmpfs none /boot; mount -t proc -o subset=pid proc /proc; exec "$@"'
    try {
      const { stdout, stderr } = await runChild(script, [path], {
        under: ['unshare', '-m', 'sh', '-c', hide, '-'],
      })
      expect(stderr).toBe('')
      const [without, given] = stdout.trim().split('\n')
      expect(without).toContain(`neither /boot/config-${release()} nor /proc/config.gz can be read`)
      expect(without).toContain('option kconfig')
      expect(given).toBe('loaded')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('the value of the configuration that does not fit', () => {
    const { message } = failureOf(
      `extern _Bool CONFIG_BPF __kconfig; ${program('socket', 'return CONFIG_BPF;')}`,
      'CONFIG_BPF=250',
    )
    expect(message).toMatch(/extern \(kcfg\) 'CONFIG_BPF': value '250' implies integer type/)
  })

  requiresFeature('hardening', 'the program that is refused without a verifier log', () => {
    const error = thrownBy(() => load('fentry')) as BpfError
    expect(error.program).toBeTypeOf('string')
    expect(error.message).toContain(`load object 'fentry': program '${error.program}': not permitted`)
  })

  it('the program type that this kernel lacks', () => {
    const { code, program: name, message } = failureOf(program(kernelIs('6.4') ? 'lirc_mode2' : 'netfilter'))
    // LIRC is a driver that servers do not have.
    expect({ code, name }).toEqual({ code: 'EINVAL', name: 'program' })
    expect(message).toMatch(/program 'program' is of type (lirc_mode2|netfilter), which this kernel lacks: /)
  })
})

describe('a map that the kernel refuses', () => {
  const good: MapLayout = { type: 'hash', keySize: 4, valueSize: 8, maxEntries: 1, flags: 0, extra: 0n }
  const NO_PREALLOC = 1

  it.each<[Partial<MapLayout>, string]>([
    [{ maxEntries: 0 }, 'maxEntries is 0, but maps of type hash require at least 1'],
    [{ keySize: 0 }, 'the key has 0 bytes, but maps of type hash require at least one'],
    [{ valueSize: 0 }, 'the value has 0 bytes, but maps of type hash require at least one'],
    [{ type: 'array', keySize: 8 }, 'the key has 8 bytes, but maps of type array require 4'],
    [{ type: 'prog_array', valueSize: 8 }, 'the value has 8 bytes, but maps of type prog_array require 4'],
    [{ type: 'queue' }, 'the key has 4 bytes, but maps of type queue require none'],
    [{ type: 'lpm_trie', keySize: 8 }, 'maps of type lpm_trie require the flag BPF_F_NO_PREALLOC'],
    [
      { type: 'lpm_trie', keySize: 4, flags: NO_PREALLOC },
      'the key has 4 bytes, but maps of type lpm_trie require 5 to 260',
    ],
    [
      { type: 'stack_trace', valueSize: 12 },
      'the value has 12 bytes, but maps of type stack_trace require a multiple of 8',
    ],
    [{ type: 'devmap', valueSize: 16 }, 'the value has 16 bytes, but maps of type devmap require 4 or 8'],
    [
      { type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 5000 },
      'maxEntries is 5000, but the size of a ring buffer is a power of two and a multiple of the page size',
    ],
  ])('says what is wrong: %o', (wrong, says) => {
    const error = thrownBy(() => BpfMap.create({ ...good, ...wrong, name: 'm' }).close()) as BpfError
    expect(error).toBeInstanceOf(BpfError)
    expect(error.message).toContain(says)
  })

  it('is named when it belongs to an object, with what its type requires', () => {
    const { message, map } = failureOf(`
      struct { __uint(type, 1); __uint(key_size, 4); __uint(value_size, 4); } counts SEC(".maps");
      ${program('socket')}`)
    expect(map).toBe('counts')
    expect(message).toBe(
      "load object 'c': map 'counts' cannot be created: maxEntries is 0, but maps of type hash require at least 1; set map('counts').maxEntries before load (EINVAL)",
    )
  })

  it('is named with its size when it is too large', () => {
    const { message } = failureOf(`
      struct { __uint(type, 2); __uint(key_size, 4); __uint(value_size, 8); __uint(max_entries, 0xffffffff); } large SEC(".maps");
      ${program('socket')}`)
    expect(message).toMatch(
      /map 'large' cannot be created: .*4294967295 entries with keys of 4 and values of 8 bytes/,
    )
  })
})

describe('a pin that fails', () => {
  const bpffs = useBpffs()

  it('says that names cannot have dots', () => {
    using object = load('maps')
    using other = load('exec')
    for (const pin of [
      () => object.map('points').pin(bpffs('a.b')),
      () => object.pin(bpffs('a.b')),
      () => other.program('on_exec').pin(bpffs('a.b')),
    ]) {
      expect(pin).toThrow(/names on a BPF file system cannot have dots, and 'a\.b' has one \(EPERM\)/)
    }
  })

  it('says when the path is on another file system', () => {
    using object = load('maps')
    for (const pin of [() => object.map('points').pin('/tmp/x/y'), () => object.pin('/proc/x/y')])
      expect(pin).toThrow(
        /\/x\/y\S* is not on a BPF file system; 'mount -t bpf bpf \/sys\/fs\/bpf' mounts one/,
      )
  })

  it('names the map of an object, and the file that exists', () => {
    using object = load('maps')
    using other = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    const path = bpffs('object')
    object.pin(path)
    try {
      object.unpin(path)
      other.pin(`${path}/points`)
      const error = thrownBy(() => object.pin(path)) as BpfError
      expect(error).toMatchObject({ code: 'EEXIST', map: 'points' })
      expect(error.message).toContain(
        `map 'points': it cannot be pinned at ${path}/points: a file of that name exists already`,
      )
    } finally {
      rmSync(path, { recursive: true })
    }
  })

  it('says that this user may not open the file of another one', async () => {
    using object = load('maps')
    const path = bpffs('map')
    object.map('points').pin(path)
    try {
      using copy = copyForEveryone()
      const script = `
        import { BpfMap } from 'libbpf-node'
        try { BpfMap.fromPin(process.argv[1]).close(); console.log('opened') } catch (error) { console.log(error.message) }`
      const options = { cwd: copy.path, under: asNobody('CAP_BPF') }
      const { stdout } = await runChild(script, [path], options)
      expect(stdout).toMatch(/this user may not open the file \(EACCES\)/)
    } finally {
      object.map('points').unpin(path)
    }
  })

  it('tells a file that is no pin from one that does not exist', () => {
    expect(() => BpfMap.fromPin('/etc/passwd')).toThrow(/it is not a file on a BPF file system \(EACCES\)/)
    expect(() => BpfMap.fromPin('/nonexistent')).toThrow(/the file does not exist \(ENOENT\)/)
  })
})

describe('a program that is refused after others were loaded with a log', () => {
  it('has its own log as the reason', () => {
    const bytes = objectOf(`
      SEC("socket") int first(void* ctx) { return 0; }
      SEC("socket") int second(void* ctx) { return *(volatile int*)8; }`)
    using object = BpfObject.open(bytes)
    for (const program of object.programs.values()) program.logLevel = 2
    const error = thrownBy(() => object.loadSync())
    expect(error).toBeInstanceOf(VerifierError)
    expect(error).toMatchObject({ program: 'second', reason: expect.stringMatching(/invalid mem access/) })
    expect((error as VerifierError).log).not.toContain("prog 'first'")
  })
})
