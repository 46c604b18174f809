import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import {
  BpfError,
  BpfMap,
  BpfObject,
  Btf,
  Linker,
  type OpenOptions,
  PerfBuffer,
  RingBuffer,
  UserRingBuffer,
} from 'libbpf-node'
import { afterEach, describe, expect, it } from 'vitest'
import { BtfWriter, Elf, inTemporaryDirectory } from '../btf/helper.js'
import { ordinaryAddon, runChild } from '../helpers/child.js'
import { compile } from '../helpers/compile.js'
import { load, objectPath, open, thrownBy } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'
import { slowness } from '../helpers/slowness.js'

/** A good object file, which the tests damage. */
const good = new Uint8Array(readFileSync(objectPath('maps')))

function changed(change: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = good.slice()
  change(bytes)
  return bytes
}

/** The offset of a name in the string table of the sections. */
function nameAt(bytes: Uint8Array, name: string): number {
  return Buffer.from(bytes).lastIndexOf(`${name}\0`)
}

let object: BpfObject | undefined
afterEach(() => object?.close())

function failureOf(call: () => unknown): BpfError {
  const error = thrownBy(call)
  if (error instanceof BpfError) return error
  throw error
}

const openingOf = (source: string | URL | Uint8Array): BpfError => failureOf(() => BpfObject.open(source))

/** Loads an object after a change, and returns the error. */
function loadingOf(
  name: string,
  change: (object: BpfObject) => void = () => {},
  options?: OpenOptions,
): BpfError {
  const opened = open(name, options)
  try {
    change(opened)
    return failureOf(() => opened.loadSync())
  } finally {
    opened.close()
  }
}

describe('BpfObject.open', () => {
  it('says that the file does not exist', () => {
    const error = openingOf('/nonexistent/a.bpf.o')
    expect(error).toMatchObject({ code: 'ENOENT', errno: 2, operation: 'bpf_object__open_file' })
    expect(error.target).toBe('/nonexistent/a.bpf.o')
    expect(error.message).toBe("open object '/nonexistent/a.bpf.o': the file does not exist (ENOENT)")
    expect(openingOf(pathToFileURL('/nonexistent/a.bpf.o')).message).toBe(error.message)
  })

  it('refuses directories, pipes and unreadable files, and leaks no descriptor', () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const descriptors = () => readdirSync('/proc/self/fd').length
    const before = descriptors()
    for (const [path, says] of [
      [folder, /it is a directory \(EISDIR\)/],
      [pipe, /it is a pipe or a device; only a regular file can be read/],
      ['/dev/zero', /it is a pipe or a device/],
      ['/proc/self/mem', /Input\/output error \(EIO\)/],
    ] as const) {
      expect(openingOf(path).message).toMatch(says)
      expect(failureOf(() => Linker.linkSync([path])).message).toMatch(says)
      expect(failureOf(() => open('maps', { btfCustomPath: path })).message).toMatch(says)
      expect(failureOf(() => Btf.fromFile(path)).message).toMatch(says)
    }
    expect(descriptors()).toBe(before)
    rmSync(folder, { recursive: true })
  })

  it('refuses BTF whose types refer to themselves', () => {
    const bytes = new Uint8Array(readFileSync(objectPath('attach-cgroup')))
    const btf = new Elf(bytes).section('.BTF')
    const start = Buffer.from(bytes).indexOf(btf)
    const view = new DataView(bytes.buffer, start)
    // Its first type is a pointer.
    expect(view.getUint32(24 + 4, true)).toBe(2 << 24)
    view.setUint32(24 + 8, 1, true)
    const error = openingOf(bytes)
    expect(error.code).toBe('LIBBPF_ERRNO__FORMAT')
    expect(error.message).toMatch(/its BTF is damaged: types refer to themselves/)
  })

  it.each([
    ['text', new URL('../../package.json', import.meta.url)],
    ['bytes of text', new TextEncoder().encode('this is no object file, it is text')],
  ])('%s says how object files are made', (_, source) => {
    const error = openingOf(source)
    expect(error.code).toBe('LIBBPF_ERRNO__FORMAT')
    expect(error.message).toMatch(
      /it is not an object file; 'clang -g -O2 -target bpf -c' compiles C source to one/,
    )
  })

  it('refuses an empty Uint8Array', () => {
    expect(openingOf(new Uint8Array(0)).message).toMatch(/it is empty/)
  })

  it('refuses a string table marked as compressed instead of waiting for a lock in libelf', async () => {
    const path = `${mkdtempSync(join(tmpdir(), 'libbpf-node-'))}/compressed.bpf.o`
    const bytes = changed((bytes) => {
      const view = new DataView(bytes.buffer)
      const headers = Number(view.getBigUint64(0x28, true))
      // SHF_COMPRESSED, in the flags of the section that e_shstrndx names.
      bytes[headers + 64 * view.getUint16(0x3e, true) + 9]! |= 0x08
    })
    writeFileSync(path, bytes)
    try {
      const open = "import { BpfObject } from 'libbpf-node'; BpfObject.open(process.argv[1])"
      const { status, stderr } = await runChild(open, [path])
      expect(status).toBe(1)
      expect(stderr).toMatch(/BpfError: open object .*: the file is damaged or cut off/)
    } finally {
      rmSync(dirname(path), { recursive: true })
    }
  })

  it('treats a detached Uint8Array like an empty one', () => {
    const bytes = good.slice()
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    expect(openingOf(bytes).code).toBe('EINVAL')
  })

  it('refuses an executable of this machine', () => {
    const error = openingOf(process.execPath)
    expect(error.code).toBe('LIBBPF_ERRNO__FORMAT')
    expect(error.message).toMatch(/it is an object file for another machine, or one that is linked already/)
  })

  it('refuses an object file for another machine', () => {
    // e_machine: x86-64
    const error = openingOf(changed((bytes) => bytes.set([62, 0], 18)))
    expect(error.message).toMatch(/it is an object file for another machine/)
  })

  it('says how to compile an object that has maps but no BTF', () => {
    const error = openingOf(changed((bytes) => bytes.set(Buffer.from('.XTF'), nameAt(bytes, '.BTF'))))
    expect(error.message).toMatch(
      /declares maps but has no BTF, or its BTF is damaged; compile it with 'clang -g'/,
    )
  })

  it('refuses a file that is truncated at any position', () => {
    for (let length = 1; length < good.length; length += slowness + (length >> 5)) {
      const error = openingOf(good.subarray(0, length))
      expect(error.message, `${length} bytes`).toMatch(/it is not an object file|damaged|no BTF|ELF/)
    }
  })

  it('throws a TypeError or RangeError that names the wrong option', () => {
    const opening = (options: object) => thrownBy(() => open('maps', options))
    const path = objectPath('maps')
    expect(opening({ kernelLogSize: 'much' })).toMatchObject({
      name: 'TypeError',
      message: `open object '${path}': kernelLogSize is not an integer`,
    })
    expect(opening({ kernelLogSize: 2 ** 32 })).toMatchObject({
      name: 'RangeError',
      message: `open object '${path}': kernelLogSize is out of range`,
    })
    expect(opening({ relaxedMaps: 1 })).toMatchObject({
      name: 'TypeError',
      message: `open object '${path}': relaxedMaps is not a boolean`,
    })
    expect(opening({ pinRootPath: 5 })).toMatchObject({
      name: 'TypeError',
      message: `open object '${path}': pinRootPath is not a string`,
    })
    expect(thrownBy(() => BpfObject.open('a\0b'))).toBeInstanceOf(TypeError)
    expect(thrownBy(() => BpfObject.open(5 as never))).toMatchObject({
      name: 'TypeError',
      message: 'source is not a path, a file: URL or a Uint8Array',
    })
    expect(thrownBy(() => BpfObject.open(new URL('https://example.org/a.bpf.o')))).toBeInstanceOf(TypeError)
  })
})

describe('BpfObject.load', () => {
  it('refuses an object of the other byte order', () => {
    const bytes = compile('clang', ['-target', 'bpfeb', '-O2', '-c'], 'int f(void) { return 0; }')
    object = BpfObject.open(bytes)
    const error = failureOf(() => object?.loadSync())
    expect(error.code).toBe('LIBBPF_ERRNO__ENDIAN')
    expect(error.message).toMatch(/compiled for machines of the other byte order/)
  })

  it('names the type and field that a CO-RE relocation cannot find', () => {
    const error = loadingOf('bad-core')
    // Older verifiers log the text of the line, but not its number.
    expect(error.message).toMatch(
      /program 'on_exec' needs struct task_struct\.no_such_field \(CO-RE byte_off\), which this kernel does not have, at (.*bad-core\.bpf\.c:\d+: |'struct )/,
    )
    expect(error.program).toBe('on_exec')
  })

  it('names the type if the whole type is missing', () => {
    expect(loadingOf('bad-core-type').message).toMatch(/needs struct no_such_type\.pid \(CO-RE byte_off\)/)
  })

  it('names a map that is too large for the memory', () => {
    const error = loadingOf('bad-huge-map')
    expect(error.code).toMatch(/^(ENOMEM|E2BIG)$/)
    expect(error.message).toMatch(/map 'huge' cannot be created: .*; lower maxEntries or the sizes/)
  })

  it('names a map whose values are larger than the kernel allows', () => {
    for (const size of [2 ** 31, 2 ** 32 - 1]) {
      const error = loadingOf('maps', (object) => {
        object.map('points').valueSize = size
      })
      expect(error.code).toBe('E2BIG')
      expect(error.message).toMatch(
        /map 'points' cannot be created: .* entries with keys of \d+ and values of \d+ bytes are more than the kernel allows/,
      )
    }
  })

  it('names a map with an invalid definition', () => {
    const error = loadingOf('maps', (object) => {
      object.map('points').maxEntries = 0
    })
    expect(error.message).toMatch(
      /map 'points' cannot be created: maxEntries is 0, but maps of type hash require at least 1/,
    )
  })

  it('proposes a similar section name for an unknown one', () => {
    expect(loadingOf('bad-section').message).toMatch(
      /SEC\("raw_tracepiont\/sched_process_exec"\) of program 'on_exec' is not a section name that libbpf knows; did you mean 'raw_tracepoint'\?/,
    )
  })

  it('proposes a similar name for an unknown kernel function or hook', () => {
    const loading = (program: string) =>
      loadingOf('bad-function', (object) => {
        object.program(program).autoload = true
      })
    expect(loading('on_unlink').message).toMatch(
      /no such kernel function or hook 'vfs_unlinkk'; did you mean 'vfs_unlink'/,
    )
    expect(loading('on_exec_btf').message).toMatch(
      /no such kernel function or hook 'sched_proces_exec'; did you mean 'sched_process_exec'/,
    )
  })

  it('names a kernel configuration option that is missing', () => {
    expect(loadingOf('bad-externs').message).toMatch(
      /the kernel's configuration does not set CONFIG_NO_SUCH_THING; give it in the option kconfig/,
    )
  })

  it('says that btfCustomPath does not exist or is not BTF', () => {
    const path = fileURLToPath(new URL('../../package.json', import.meta.url))
    const loading = (btfCustomPath: string) => loadingOf('bad-core', undefined, { btfCustomPath }).message
    expect(loading('/nonexistent')).toContain('btfCustomPath /nonexistent cannot be read as BTF')
    expect(loading(path)).toContain(`${path} is not a file with BTF to relocate against`)
  })

  it('refuses BTF with circular types in btfCustomPath before libbpf follows them', () => {
    const writer = new BtfWriter()
    writer.record('struct', 'task_struct', 4, [['no_such_field', 2, 0]])
    writer.add('typedef', 'a', 3)
    writer.add('typedef', 'b', 2)
    inTemporaryDirectory((folder) => {
      const btfCustomPath = join(folder, 'circle.btf')
      writeFileSync(btfCustomPath, writer.bytes())
      expect(() => open('bad-core', { btfCustomPath })).toThrow(
        `btfCustomPath ${btfCustomPath} is damaged: types refer to themselves`,
      )
    })
  })

  it('throws an error with the object, the operation and the messages of libbpf', () => {
    const error = loadingOf('bad-huge-map')
    expect(error).toMatchObject({ name: 'BpfError', object: 'bad-huge-map', operation: 'bpf_object__load' })
    expect(error.log).toMatch(/libbpf: map 'huge': failed to create/)
    expect(error.message).not.toMatch(/\n|libbpf: /)
  })
})

describe('Program.attach of a tracepoint', () => {
  useTracefs()

  it('proposes a similar name for a tracepoint that does not exist', () => {
    object = open('bad-function')
    object.program('on_exec').autoload = true
    object.loadSync()
    expect(failureOf(() => object?.program('on_exec').attach()).message).toMatch(
      /no such tracepoint 'sched\/sched_process_exce'; did you mean 'sched_process_exec'/,
    )
  })
})

describe('setters', () => {
  it('throw a TypeError for text and fractions, and a RangeError for integers that are too large', () => {
    object = open('maps')
    const map = object.map('points')
    const set = (value: unknown) =>
      thrownBy(() => {
        map.maxEntries = value as number
      })
    expect(set('many')).toMatchObject({
      name: 'TypeError',
      message: "map 'points': set maxEntries to many: the value is not an integer",
    })
    for (const value of [1.5, Number.NaN, '5', 5n, null, undefined, {}, [7]]) {
      expect(set(value), String(value)).toBeInstanceOf(TypeError)
    }
    for (const value of [2 ** 32, -1, Number.POSITIVE_INFINITY]) {
      expect(set(value), String(value)).toBeInstanceOf(RangeError)
    }
    expect(map.maxEntries).toBe(16)
  })

  it('throw a TypeError for an unknown type', () => {
    object = open('maps')
    expect(() => Object.assign(object!.map('points'), { type: 'hsh' })).toThrow(
      /^map type 'hsh' does not exist; libbpf knows unspec, hash, /,
    )
    expect(() => Object.assign(object!.map('points'), { type: 1 })).toThrow(TypeError)
  })

  it('say after load that it is too late', () => {
    object = load('maps')
    const set = () => {
      object!.map('points').maxEntries = 7
    }
    expect(failureOf(set).code).toBe('EBUSY')
    expect(set).toThrow(/that is fixed when the object is loaded; do it between open and load/)
  })
})

describe('BpfMap', () => {
  it('refuses keys and values of a wrong size or type', () => {
    object = load('maps')
    const { raw } = object.map('points')
    expect(() => raw.get(new Uint8Array(3))).toThrow(
      new RangeError("key has 3 bytes, but the map's keys have 4"),
    )
    expect(() => raw.set(new Uint8Array(4), new Uint8Array(25))).toThrow(RangeError)
    expect(() => raw.get('text' as never)).toThrow(TypeError)
    const points = object.map<number, object>('points')
    for (const key of ['1', 1.5, undefined, null, {}, Symbol('x')]) {
      expect(() => points.get(key as number), String(key)).toThrow(/^key/)
    }
    expect(() => points.get(2 ** 32)).toThrow(RangeError)
    expect(() => points.set(1, 5 as never)).toThrow(TypeError)
    expect(points.size).toBe(0)
  })

  it('explains what an errno means for the map', () => {
    object = load('maps')
    const points = object.map<number, object>('points')
    const point = { x: 1, y: 2, label: '' }
    points.set(1, point)
    expect(() => points.set(1, point, { flags: 1 })).toThrow(
      "map 'points': set: the key exists already (EEXIST)",
    )
    expect(() => points.set(2, point, { flags: 2 })).toThrow(
      "map 'points': set: the key does not exist (ENOENT)",
    )
    expect(() => points.set(2, point, { flags: 99 })).toThrow(
      /maps of this type do not support that, or not with these flags/,
    )
    expect(() => points.set(2, point, { flags: 'x' as never })).toThrow(
      expect.objectContaining({ name: 'TypeError', message: "map 'points': set: flags is not an integer" }),
    )
    for (let i = 0; i < 16; i++) points.set(i, point)
    expect(() => points.set(16, point)).toThrow(/the map is full: it has room for 16 entries \(E2BIG\)/)
    points.freeze()
    expect(() => points.set(1, point)).toThrow(
      /not permitted although the process has CAP_BPF: the map is frozen or read-only/,
    )
  })

  it('checks the options of BpfMap.create', () => {
    const create = (changes: object) =>
      thrownBy(() =>
        BpfMap.create({ type: 'hash', name: 'mine', keySize: 4, valueSize: 4, maxEntries: 1, ...changes }),
      )
    expect(create({ keySize: 2 ** 32 - 1 })).toMatchObject({ code: 'E2BIG', map: 'mine' })
    expect(create({ valueSize: 2 ** 32 - 1 })).toMatchObject({ code: 'E2BIG' })
    expect(create({ keySize: 2 ** 32 })).toMatchObject({
      name: 'RangeError',
      message: "create hash map 'mine': keySize is out of range",
    })
    expect(create({ keySize: undefined })).toMatchObject({
      name: 'TypeError',
      message: "create hash map 'mine': keySize is not an integer",
    })
    expect(create({ maxEntries: 0 })).toMatchObject({
      message: "create hash map 'mine': maxEntries is 0, but maps of type hash require at least 1 (EINVAL)",
    })
    expect(create({ innerMap: {} })).toBeInstanceOf(TypeError)
    expect(create({ extra: 5 })).toBeInstanceOf(TypeError)
  })

  it('refuses descriptors, ids and files that are not maps', () => {
    expect(() => BpfMap.fromFd(0)).toThrow(/it is not the descriptor of a BPF map/)
    expect(() => BpfMap.fromFd(1 << 30)).toThrow(/EBADF/)
    expect(() => BpfMap.fromFd(-1)).toThrow(/EBADF/)
    expect(() => BpfMap.fromFd('1' as never)).toThrow(TypeError)
    expect(() => BpfMap.fromId(2 ** 31)).toThrow(/nothing with that id exists \(any more\) \(ENOENT\)/)
    expect(() => BpfMap.fromPin('/nonexistent')).toThrow(
      /the file does not exist|it is not a file on a BPF file system/,
    )
  })
})

describe('rings and test runs', () => {
  it('refuse invalid buffer sizes before they open anything', () => {
    object = load('ring')
    for (const options of [
      { slabSize: 2 ** 53 },
      { slabSize: 2 ** 32 + 64 },
      { slabSize: 2 ** 31 },
      { slabSize: -1 },
      { slabSize: Number.NaN },
      { slabSize: '64' as never },
      { batchSize: 0 },
      { batchSize: 2 ** 32 },
      { batchSize: 1.5 },
    ]) {
      expect(() => object?.ringBuffer('events', undefined, options), JSON.stringify(options)).toThrow(
        /^(slabSize|batchSize) is/,
      )
    }
  })

  it('refuse a map that is not a ring buffer', () => {
    object = load('ring')
    expect(() => object?.ringBuffer('not_a_ring')).toThrow(/map 'not_a_ring' is of type array, not ringbuf/)
    expect(() => new RingBuffer({} as never)).toThrow(TypeError)
  })

  it('throw a RangeError if a test run needs more memory than there is', async () => {
    // What the process has, and 300 MiB: enough for Node.js, and for some of the runs.
    const script = `
      import { execFileSync } from 'node:child_process'
      import { readFileSync } from 'node:fs'
      import { BpfObject } from 'libbpf-node'
      const object = BpfObject.open(process.argv.at(-1))
      object.loadSync()
      const program = object.program('mark')
      const data = new Uint8Array(64)
      await program.testRun({ data })
      const size = 1024 * Number(/VmSize:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
      execFileSync('prlimit', ['--pid', process.pid, '--as=' + (size + (300 << 20))])
      const runs = Array.from({ length: 40 }, () => program.testRun({ data, dataOutSize: 16 << 20 }))
      const results = await Promise.allSettled(runs)
      console.log(JSON.stringify(results.map(({ reason }) => reason?.name + ': ' + reason?.message)))`
    const { stdout, stderr } = await runChild(script, [objectPath('programs')], { env: ordinaryAddon })
    expect(stderr).toBe('')
    expect(new Set(JSON.parse(stdout))).toEqual(
      new Set([
        'undefined: undefined',
        "RangeError: program 'mark': test run: dataOutSize needs more memory than there is",
      ]),
    )
  })

  it('refuse sizes of test runs that no kernel accepts', async () => {
    object = load('slow')
    const program = object.program('slow')
    expect(() => program.testRunSync({ dataOutSize: 2 ** 40 })).toThrow(
      expect.objectContaining({
        name: 'RangeError',
        message: "program 'slow': test run: dataOutSize is out of range",
      }),
    )
    await expect(program.testRun({ contextOutSize: 2 ** 32 - 1 })).rejects.toThrow(RangeError)
    await expect(program.testRun({ repeat: 'x' as never })).rejects.toThrow(
      expect.objectContaining({
        name: 'TypeError',
        message: "program 'slow': test run: repeat is not an integer",
      }),
    )
    expect(() => program.testRunSync({ data: new Uint8Array((16 << 20) + 1) })).toThrow(RangeError)
  })

  it('refuse bytes that are not BTF', () => {
    expect(() => Btf.fromBytes(new Uint8Array(30))).toThrow(/these bytes are not BTF, or are damaged/)
    expect(() => Btf.fromBytes('x' as never)).toThrow(TypeError)
  })
})

describe('an argument that is not a map, object or id', () => {
  it('is reported by constructors and static methods', () => {
    const none = undefined as never
    for (const make of [
      () => new RingBuffer(none),
      () => new PerfBuffer(none),
      () => new UserRingBuffer(none),
    ]) {
      expect(make).toThrow(new TypeError('map is not a BpfMap of libbpf-node'))
    }
    expect(() => BpfMap.fromId('1' as never)).toThrow('open the map with id 1: id is not an integer')
    expect(() => BpfMap.fromFd('1' as never)).toThrow('open the map of fd 1: fd is not an integer')
    expect(() => BpfMap.fromPin(1 as never)).toThrow('open the pinned map 1: path is not')
    expect(() => Linker.linkSync(['/no-such.bpf.o'])).toThrow('the file does not exist')
    expect(() => Btf.fromId(2 ** 31)).toThrow('nothing with that id exists (any more)')
  })

  it('is reported by methods of an object', async () => {
    using opened = open('exec')
    using typed = open('events-user')
    expect(() => typed.codec('user_commandd')).toThrow(
      "has no type 'user_commandd'; did you mean 'user_command'?",
    )
    expect(() => opened.ringBuffer('events')).toThrow(
      "read a ring buffer of object 'exec': it is not loaded yet",
    )
    opened.loadSync()
    await expect(opened.replace(undefined as never)).rejects.toThrow(
      new TypeError('next is not a BpfObject of libbpf-node'),
    )
  })
})
