// A uprobe runs for the function that a caller of the name runs, once per call, or an error says why it cannot.
// The target program calls each function a different number of times, so the count tells which one was attached.
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BpfError } from 'libbpf-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Elf } from '../btf/helper.js'
import { requiresKernel } from '../helpers/kernel.js'
import { thrownBy } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'
import { loadOnly } from './surroundings.js'

useTracefs()

const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-symbols-'))
chmodSync(folder, 0o755)
afterAll(() => rmSync(folder, { recursive: true }))

const library = join(folder, 'libsteps.so')
const program = join(folder, 'program')
const stripped = join(folder, 'stripped.so')

const librarySource = `
#define FUNCTION __attribute__((noinline, noipa))
FUNCTION int step_1(int n) { return n + 1; }
FUNCTION int step_2(int n) { return n + 2; }
__asm__(".symver step_1,step@V_1");
__asm__(".symver step_2,step@@V_2");
FUNCTION int walk(int n) { return 3 * n; }
int walk_too(int n) __attribute__((alias("walk")));
FUNCTION int fast(int n) { return 4 * n; }
static int (*choose(void))(int) { return fast; }
int run(int n) __attribute__((ifunc("choose")));
`
const programSource = `
#include <unistd.h>
#define FUNCTION __attribute__((noinline, noipa))
extern int step(int), walk_too(int), walk(int), run(int), step_of_1(int), twice_elsewhere(int);
__asm__(".symver step_of_1,step@V_1");
FUNCTION static int twice(int n) { return n - 1; }
FUNCTION int lonely(int n) { return n - 2; }
FUNCTION int part_of(int n) { return n - 3; }
__asm__(".globl \\"whole.isra.0\\"\\n.set \\"whole.isra.0\\", part_of\\n.type \\"whole.isra.0\\", @function");
__asm__(".globl \\"lonely.cold\\"\\n.set \\"lonely.cold\\", part_of\\n.type \\"lonely.cold\\", @function");
int data = 5;
int main() {
  int sum = data;
  for (int i = 0; i < 2; i++) sum += step(i);
  for (int i = 0; i < 3; i++) sum += step_of_1(i);
  for (int i = 0; i < 4; i++) sum += walk(i);
  for (int i = 0; i < 5; i++) sum += walk_too(i);
  for (int i = 0; i < 6; i++) sum += run(i);
  for (int i = 0; i < 7; i++) sum += twice(i);
  for (int i = 0; i < 8; i++) sum += lonely(i);
  usleep(1);
  return sum == twice_elsewhere(0) + part_of(1);
}
`
const otherSource = `
__attribute__((noinline, noipa)) static int twice(int n) { return n + 9; }
int twice_elsewhere(int n) { return twice(n); }
`

beforeAll(() => {
  const file = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
  const versions = file(
    'versions',
    'V_1 { global: step; walk; walk_too; run; local: *; };\nV_2 { global: step; } V_1;\n',
  )
  const cc = (...args: string[]) => execFileSync('cc', ['-O1', ...args])
  cc('-shared', '-fPIC', `-Wl,--version-script=${versions}`, '-o', library, file('library.c', librarySource))
  const sources = [file('program.c', programSource), file('other.c', otherSource)]
  cc('-o', program, ...sources, library, `-Wl,-rpath,${folder}`)
  execFileSync('strip', ['-o', stripped, library])
})

/** Attaches a single probe, runs the target, and returns how often the probe ran. */
function single(binary: string, symbol: string): bigint {
  using object = loadOnly('attach-trace', ['on_call'])
  using _link = object.program('on_call').attachUprobe(binary, { symbol })
  execFileSync(program, { stdio: 'ignore' })
  return (object.bss.seen as { runs: bigint }).runs
}

/** The same with uprobe.multi. */
function multi(
  binary: string,
  options: { symbols?: string[]; pattern?: string; cookies?: number[] },
): bigint {
  using object = loadOnly('attach-trace', ['on_calls'])
  using _link = object.program('on_calls').attachUprobeMultiSync(binary, options)
  execFileSync(program, { stdio: 'ignore' })
  return (object.bss.seen as { runs: bigint }).runs
}

/** What both say, without the description of the hook. */
function refusal(call: () => unknown): { code: string; why: string } {
  const { code, message } = thrownBy(call) as BpfError
  return { code, why: message.replace(/^attach program '\w+' to .*? of \/\S+: | \([A-Z_]+\)$/g, '') }
}

/** Functions that can be attached, with the number of calls. */
const found: [name: string, file: () => string, symbol: string, runs: bigint][] = [
  ['a function', () => program, 'lonely', 8n],
  ['a version that is not the default', () => library, 'step@V_1', 3n],
  ['the default version', () => library, 'step@V_2', 2n],
  ['the default version, written with @@', () => library, 'step@@V_2', 2n],
  ['a function with two names, by one of them', () => library, 'walk', 9n],
  ['a function with two names, by the other one', () => library, 'walk_too', 9n],
  ['a static function, if it is the only one of that name', () => library, 'fast', 6n],
]

/** Functions that cannot. */
const refused: [name: string, file: () => string, symbol: string, code: string, why: RegExp][] = [
  ['an import', () => program, 'usleep', 'ENOENT', /^it only imports 'usleep'; attach to the library/],
  ['an import of one version', () => program, 'step@V_1', 'ENOENT', /^it only imports 'step@V_1'/],
  [
    'several versions',
    () => library,
    'step',
    'EADDRNOTAVAIL',
    /^it has several versions of 'step': (step@V_1, step@@V_2|step@@V_2, step@V_1); choose one/,
  ],
  [
    'several static functions',
    () => program,
    'twice',
    'EADDRNOTAVAIL',
    /^it has several functions called 'twice', at the offsets 0x\w+, 0x\w+; choose one by its offset$/,
  ],
  [
    'an indirect function',
    () => library,
    'run',
    'ENOTSUP',
    /^it has 'run' as an indirect function \(IFUNC\)/,
  ],
  ['data', () => program, 'data', 'ENOENT', /^it has 'data', but not as a function in its code$/],
  ['a version that does not exist', () => library, 'step@V_3', 'ENOENT', /^it has no function 'step@V_3'$/],
  [
    'a function of which the compiler made another',
    () => program,
    'whole',
    'ENOENT',
    /^it has no function 'whole', only 'whole\.isra\.0'/,
  ],
  ['a function that is not there', () => program, 'lonesome', 'ENOENT', /^it has no function 'lonesome'$/],
  [
    'a function whose name was stripped',
    () => stripped,
    'fast',
    'ENOENT',
    /^it has no function 'fast' among those that it exports, and the names of others were stripped$/,
  ],
  ['a text file', () => join(folder, 'program.c'), 'main', 'LIBBPF_ERRNO__FORMAT', /^it is not an ELF file$/],
]

describe('attachUprobe by symbol', () => {
  for (const [name, file, symbol, runs] of found) {
    it(`attaches to ${name}`, () => expect(single(file(), symbol)).toBe(runs))
  }
  for (const [name, file, symbol, code, why] of refused) {
    it(`refuses ${name}`, () => {
      expect(refusal(() => single(file(), symbol))).toEqual({ code, why: expect.stringMatching(why) })
    })
  }
  requiresKernel('6.6', 'finds exported functions in a stripped library', () => {
    const offset = (binary: string) => {
      using object = loadOnly('attach-trace', ['on_call'])
      using link = object.program('on_call').attachUprobe(binary, { symbol: 'step@V_1' })
      return (link.info() as { offset?: bigint | number }).offset
    }
    expect(offset(stripped)).toBe(offset(library))
  })
})

describe('a library in a zip archive', () => {
  /** A zip archive with one file that is not compressed. */
  const zip = (name: string, bytes: Buffer): Buffer => {
    const fields = Buffer.alloc(26)
    fields.writeUInt32LE(bytes.length, 14)
    fields.writeUInt32LE(bytes.length, 18)
    fields.writeUInt16LE(name.length, 22)
    const file = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), bytes])
    const entry = Buffer.concat([Buffer.from('PK\x01\x02\0\0'), fields, Buffer.alloc(14), Buffer.from(name)])
    const end = Buffer.alloc(18)
    for (const at of [4, 6]) end.writeUInt16LE(1, at)
    end.writeUInt32LE(entry.length, 8)
    end.writeUInt32LE(file.length, 12)
    return Buffer.concat([file, entry, Buffer.from('PK\x05\x06'), end])
  }
  const archived = () => {
    const path = join(folder, 'app.zip')
    writeFileSync(path, zip('lib/libsteps.so', readFileSync(library)))
    return `${path}!/lib/libsteps.so`
  }

  it('is found by attachUprobe, which explains a missing function', () => {
    expect(single(archived(), 'walk')).toBe(0n)
    expect(refusal(() => single(archived(), 'wait')).why).toBe("it has no function 'wait'")
  })

  requiresKernel('6.6', 'is refused by attachUprobeMulti', () => {
    expect(refusal(() => multi(archived(), { symbols: ['walk'] })).why).toBe(
      'only attachUprobe() can look into archives',
    )
  })
})

describe('the arguments of attachUprobe and attachUprobeMulti', () => {
  it('refuse an empty binary and a string of symbols', () => {
    expect(thrownBy(() => single('', 'walk'))).toEqual(new TypeError('binary is an empty string'))
    // @ts-expect-error not an array
    expect(thrownBy(() => multi(library, { symbols: 'walk' }))).toEqual(
      new TypeError('symbols is a string, not an array of names'),
    )
  })

  it('name no folder that is on PATH', () => {
    const { PATH } = process.env
    mkdirSync(join(folder, 'path/steps'), { recursive: true })
    copyFileSync(program, join(folder, 'steps'))
    process.env.PATH = `${folder}/path:${folder}`
    try {
      using object = loadOnly('attach-trace', ['on_call'])
      using link = object.program('on_call').attachUprobe('steps', { symbol: 'lonely' })
      expect(link.target).toBe(`${folder}/steps:lonely`)
    } finally {
      process.env.PATH = PATH
    }
  })
})

describe('attachUprobeMulti by symbols', () => {
  for (const [name, file, symbol, runs] of found) {
    requiresKernel('6.6', `attaches to ${name}`, () =>
      expect(multi(file(), { symbols: [symbol] })).toBe(runs),
    )
  }
  for (const [name, file, symbol, code, why] of refused) {
    requiresKernel('6.6', `refuses ${name}`, () => {
      expect(refusal(() => multi(file(), { symbols: [symbol] }))).toEqual({
        code,
        why: expect.stringMatching(why),
      })
    })
  }

  requiresKernel('6.6', 'attaches to what a stripped library exports', () => {
    // Nothing runs this copy of the library.
    expect(multi(stripped, { symbols: ['walk', 'walk_too', 'step@V_1'] })).toBe(0n)
  })

  requiresKernel('6.6', 'attaches to several versions of one name', () => {
    expect(multi(library, { symbols: ['step@V_2', 'step@V_1'] })).toBe(5n)
  })

  requiresKernel('6.6', 'attaches a function once that is named twice', () => {
    expect(multi(program, { symbols: ['lonely', 'lonely'] })).toBe(8n)
    expect(multi(library, { symbols: ['walk', 'walk_too'] })).toBe(9n)
  })

  requiresKernel('6.6', 'refuses two cookies for one function', () => {
    expect(refusal(() => multi(library, { symbols: ['walk', 'walk_too'], cookies: [1, 2] }))).toMatchObject({
      code: 'EEXIST',
      why: expect.stringContaining('two of these symbols are names of one function'),
    })
  })

  requiresKernel('6.6', 'names those of a list that are missing, and only those', () => {
    const { why } = refusal(() =>
      multi(program, { symbols: ['lonely', 'no_1', 'main', 'usleep', 'no_2', 'no_3'] }),
    )
    expect(why).toBe(
      "it has no function 'no_1'; it only imports 'usleep'; attach to the library that defines it; it has no function 'no_2'; and 1 more",
    )
  })
})

describe('attachUprobeMulti by pattern', () => {
  requiresKernel('6.6', 'attaches a function with two names once', () => {
    expect(multi(library, { pattern: 'walk*' })).toBe(9n)
  })

  requiresKernel(
    '6.6',
    'leaves out the parts that the compiler moved out of functions, unless it names them',
    () => {
      expect(multi(program, { pattern: 'lonely*' })).toBe(8n)
      expect(multi(program, { pattern: 'lonely.cold*' })).toBe(1n)
    },
  )

  requiresKernel('6.6', 'attaches to all versions of a name, or to one', () => {
    expect(multi(library, { pattern: 'step' })).toBe(5n)
    expect(multi(library, { pattern: 'step@V_1' })).toBe(3n)
  })

  requiresKernel('6.6', 'finds the same in a stripped library', () => {
    const offsets = (binary: string, pattern: string) => {
      using object = loadOnly('attach-trace', ['on_calls'])
      using link = object.program('on_calls').attachUprobeMultiSync(binary, { pattern })
      return (link.info() as { offsets?: unknown }).offsets
    }
    expect(offsets(stripped, 'step@*')).toEqual(offsets(library, 'step@*'))
    expect(offsets(stripped, 'walk*')).toEqual(offsets(library, 'walk_too'))
  })

  requiresKernel(
    '6.6',
    'leaves imports and indirect functions out, and says so if there are no others',
    () => {
      expect(multi(program, { pattern: 'lonel?' })).toBe(8n)
      expect(refusal(() => multi(program, { pattern: 'uslee*' })).why).toBe(
        "it has no function that matches 'uslee*'",
      )
      expect(refusal(() => multi(library, { pattern: 'ru*' })).why).toBe(
        "it has no function that matches 'ru*', only indirect ones (IFUNC)",
      )
    },
  )
})

describe('a symbol with a stale section index', () => {
  /** Gives `lonely` the index of .data, as tools do that reorder sections and leave the symbols alone. */
  const edited = () => {
    const file = readFileSync(program)
    const elf = new Elf(file)
    const headerOf = (name: string) => {
      const { buffer, byteOffset, length } = elf.header(name)
      return new DataView(buffer, byteOffset, length)
    }
    const [symbols, strings, data] = ['.symtab', '.strtab', '.data'].map(headerOf)
    const at = (header: DataView) => Number(header.getBigUint64(24, true))
    const first = headerOf('.text').byteOffset
    const size = 64
    // Section headers are in one array: the distance to .text, whose index the symbol has, tells the index of .data.
    for (
      let entry = at(symbols!);
      entry < at(symbols!) + Number(symbols!.getBigUint64(32, true));
      entry += 24
    ) {
      const name = at(strings!) + file.readUInt32LE(entry)
      if (file.toString('latin1', name, name + 7) !== 'lonely\0') continue
      file.writeUInt16LE(file.readUInt16LE(entry + 6) + (data!.byteOffset - first) / size, entry + 6)
    }
    const path = join(folder, 'edited')
    writeFileSync(path, file, { mode: 0o755 })
    return path
  }

  requiresKernel('6.6', 'is found by the program headers', () => {
    const offset = (binary: string) => {
      using object = loadOnly('attach-trace', ['on_call'])
      using link = object.program('on_call').attachUprobe(binary, { symbol: 'lonely' })
      return (link.info() as { offset?: bigint | number }).offset
    }
    expect(readFileSync(edited()).equals(readFileSync(program))).toBe(false)
    expect(offset(edited())).toBe(offset(program))
  })
})
