// Names for addresses of real processes: each one prints the addresses of functions that it knows.
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Frame, Symbols } from 'libbpf-node/symbols'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Elf, memorySource } from '../../lib/machine/elf-file.js'
import { mappingsIn, readMaps } from '../../lib/machine/mappings.js'
import { Binary } from '../../lib/symbols/binary.js'

const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-symbols-'))
const children: ChildProcessWithoutNullStreams[] = []
const path = (name: string): string => join(folder, name)

/** Prints the addresses of its functions, and then of what it is told to load. */
const target = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
static __attribute__((noinline, noipa)) int hidden(int n) { return n + 1; }
__attribute__((noinline, noipa)) int shown(int n) { return hidden(n) + 1; }
static void* base;
/* Maps a library where the last one was, like a loader that reuses addresses. */
static void map(const char* name) {
  int fd = open(name, O_RDONLY);
  struct stat st;
  fstat(fd, &st);
  base = mmap(base, 1 << 20, PROT_READ | PROT_EXEC, MAP_PRIVATE | (base ? MAP_FIXED : 0), fd, 0);
  close(fd);
}
int main() {
  char line[4096];
  printf("%p %p\\n", (void*)hidden, (void*)shown);
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\\n")] = 0;
    void* found = NULL;
    if (line[0] == 'l') {
      void* library = dlopen(line + 1, RTLD_NOW);
      found = library ? dlsym(library, "act") : NULL;
      if (!found) fprintf(stderr, "%s", dlerror());
    } else if (line[0] == 'm') {
      int in = open(line + 1, O_RDONLY), out = memfd_create("hidden", 0);
      char buffer[4096], name[64];
      for (ssize_t n; (n = read(in, buffer, sizeof buffer)) > 0;) write(out, buffer, n);
      sprintf(name, "/proc/self/fd/%d", out);
      found = dlsym(dlopen(name, RTLD_NOW), "act");
    } else if (line[0] == 'f') {
      map(line + 1);
      found = base;
    } else if (line[0] == 'j') {
      found = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    printf("%p\\n", found);
    fflush(stdout);
  }
}
`

/** A library with a function at a known place of the file, and something before it. */
const library = (name: string): string => `
__attribute__((noinline, noipa)) int ${name}_inner(int n) { return n * 3; }
__attribute__((noinline, noipa)) int act(int n) { return ${name}_inner(n) + 1; }
`

const cc = (source: string, name: string, ...args: string[]): string => {
  execFileSync('cc', ['-O1', '-g', '-o', path(name), '-x', 'c', '-', ...args], { input: source })
  return path(name)
}

beforeAll(() => {
  cc(target, 'target', '-ldl')
  cc(
    target.replace('dlopen(line + 1, RTLD_NOW)', 'NULL').replace(/dlsym\(dlopen.*\)/, 'NULL'),
    'alone',
    '-static',
  )
  cc(library('first'), 'first.so', '-shared', '-fPIC')
  cc(library('second'), 'second.so', '-shared', '-fPIC')
})
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  }
})
afterAll(() => rmSync(folder, { recursive: true }))

interface Target {
  pid: number
  hidden: bigint
  shown: bigint
  /** Sends a command and returns the address that it answers. */
  tell(command: string): Promise<bigint>
  end(): Promise<void>
}

async function start(command: string, ...args: string[]): Promise<Target> {
  const child = spawn(command, args)
  children.push(child)
  child.stderr.on('data', (text) => console.error(String(text)))
  const answer = async (): Promise<bigint[]> => {
    const [text] = await once(child.stdout, 'data')
    return String(text).trim().split(' ').map(BigInt)
  }
  const [hidden, shown] = await answer()
  return {
    pid: child.pid!,
    hidden: hidden!,
    shown: shown!,
    async tell(line) {
      child.stdin.write(`${line}\n`)
      const [address] = await answer()
      return address!
    },
    async end() {
      child.stdin.end()
      await once(child, 'close')
    },
  }
}

const namesOf = (frames: readonly Frame[]): (string | undefined)[] => frames.map(({ name }) => name)

describe('Symbols.user', () => {
  it('names static and exported functions with their offsets', async () => {
    const { pid, hidden, shown } = await start(path('target'))
    const frames = new Symbols().user(pid, [hidden, hidden + 2n, shown])
    expect(frames).toEqual([
      { address: hidden, name: 'hidden', offset: 0, kind: 'file', module: path('target') },
      { address: hidden + 2n, name: 'hidden', offset: 2, kind: 'file', module: path('target') },
      { address: shown, name: 'shown', offset: 0, kind: 'file', module: path('target') },
    ])
  })

  it('names the callers in a stack by the call, not by what follows it', async () => {
    const { pid, hidden, shown } = await start(path('target'))
    // The address after the last byte of one function is the first of the next one.
    const [first, second] = [hidden, shown].sort((a, b) => Number(a - b))
    const names = namesOf(new Symbols().user(pid, [first!, second! + 1n], { stack: true }))
    expect(names).toEqual(hidden < shown ? ['hidden', 'shown'] : ['shown', 'hidden'])
  })

  it('reads the file that the process runs, not the one that has its path now', async () => {
    copyFileSync(path('target'), path('upgraded'))
    execFileSync('chmod', ['+x', path('upgraded')])
    const { pid, hidden } = await start(path('upgraded'))
    cc('int main() { return 0; }', 'other')
    renameSync(path('other'), path('upgraded'))
    expect(namesOf(new Symbols().user(pid, [hidden]))).toEqual(['hidden'])
    rmSync(path('upgraded'))
    expect(namesOf(new Symbols().user(pid, [hidden]))).toEqual(['hidden'])
  })

  it('reads libraries that were loaded later, also from a memfd', async () => {
    const child = await start(path('target'))
    const symbols = new Symbols()
    symbols.user(child.pid, [])
    const loaded = await child.tell(`l${path('first.so')}`)
    const inMemory = await child.tell(`m${path('second.so')}`)
    expect(namesOf(symbols.user(child.pid, [loaded, inMemory]))).toEqual(['act', 'act'])
    expect(symbols.user(child.pid, [inMemory])[0]?.module).toMatch(/memfd:hidden/)
  })

  it('finds files and debug files in the root of the process', async () => {
    const root = path('root')
    const id = 'ab'.repeat(20)
    mkdirSync(join(root, 'usr/lib/debug/.build-id/ab'), { recursive: true })
    const source = target.replace('dlopen(line + 1, RTLD_NOW)', 'NULL').replace(/dlsym\(dlopen.*\)/, 'NULL')
    cc(source, 'root/alone', '-static', `-Wl,--build-id=0x${id}`)
    execFileSync('objcopy', ['--only-keep-debug', join(root, 'alone'), path('alone.debug')])
    execFileSync('strip', [join(root, 'alone')])
    const { pid, hidden } = await start('chroot', root, '/alone')
    const [before] = new Symbols().user(pid, [hidden])
    expect(before).toMatchObject({ name: undefined, kind: 'unknown' })
    expect(before?.why).toContain('no separate debug file')
    copyFileSync(path('alone.debug'), join(root, `usr/lib/debug/.build-id/ab/${id.slice(2)}.debug`))
    expect(namesOf(new Symbols().user(pid, [hidden]))).toEqual(['hidden'])
  })

  it('reads the compressed symbols that programs of Fedora carry', async () => {
    copyFileSync(path('target'), path('mini'))
    execFileSync('objcopy', ['--only-keep-debug', path('mini'), path('mini.debug')])
    execFileSync('strip', ['--strip-debug', path('mini.debug')])
    execFileSync('xz', ['--force', path('mini.debug')])
    execFileSync('strip', [path('mini')])
    execFileSync('objcopy', [`--add-section=.gnu_debugdata=${path('mini.debug.xz')}`, path('mini')])
    execFileSync('chmod', ['+x', path('mini')])
    const { pid, hidden, shown } = await start(path('mini'))
    expect(namesOf(new Symbols().user(pid, [hidden, shown]))).toEqual(['hidden', 'shown'])
  })

  it('reads the table of functions of a stripped Go program', async () => {
    // A program with such a table, as Go 1.20 and newer write it.
    const source = `
      #include <stdio.h>
      __asm__(
        ".text\\n"
        "go_first: .rept 4\\nnop\\n.endr\\n"
        "go_second: .rept 4\\nnop\\n.endr\\n"
        "go_end: nop\\n"
        ".section .gopclntab, \\"a\\"\\n"
        "table: .long 0xfffffff1\\n.byte 0, 0, 1, 8\\n"
        ".quad 2, 0, go_first, names - table, 0, 0, 0, functions - table\\n"
        "names: .asciz \\"main.first\\"\\nother: .asciz \\"main.(*Shop).Open\\"\\n.balign 8\\n"
        "functions: .long 0, one - functions, go_second - go_first, two - functions, go_end - go_first\\n"
        "one: .long 0, 0\\ntwo: .long go_second - go_first, other - names\\n"
        ".previous\\n"
      );
      extern char go_first[], go_second[];
      int main() { printf("%p %p\\n", go_first, go_second); fflush(stdout); getchar(); }
    `
    cc(source, 'gopher', '-no-pie')
    execFileSync('strip', [path('gopher')])
    const { pid, hidden: first, shown: second } = await start(path('gopher'))
    expect(new Symbols().user(pid, [first, second + 1n])).toMatchObject([
      { name: 'main.first', offset: 0 },
      { name: 'main.(*Shop).Open', offset: 1 },
    ])
  })

  it('sees the files of another mount namespace', async () => {
    mkdirSync(path('mounted'))
    const script = `mount -t tmpfs none ${path('mounted')} && cp ${path('target')} ${path('mounted')}/inside && exec ${path('mounted')}/inside`
    const { pid, hidden } = await start('unshare', '--mount', 'sh', '-c', script)
    expect(namesOf(new Symbols().user(pid, [hidden]))).toEqual(['hidden'])
  })

  it('finds a debug file by .gnu_debuglink, but only the one that belongs to the program', async () => {
    copyFileSync(path('target'), path('linked'))
    execFileSync('objcopy', ['--only-keep-debug', path('linked'), path('linked.debug')])
    execFileSync('strip', [path('linked')])
    execFileSync('objcopy', [`--add-gnu-debuglink=${path('linked.debug')}`, path('linked')])
    execFileSync('chmod', ['+x', path('linked')])
    const { pid, hidden } = await start(path('linked'))
    expect(namesOf(new Symbols().user(pid, [hidden]))).toEqual(['hidden'])
    // The debug file of another version, which has other functions at these addresses.
    cc(`${target}\nint more() { return 4; }`, 'newer', '-ldl')
    execFileSync('objcopy', ['--only-keep-debug', path('newer'), path('linked.debug')])
    expect(namesOf(new Symbols().user(pid, [hidden]))).toEqual([undefined])
    writeFileSync(path('linked.debug'), 'not an ELF file')
    expect(namesOf(new Symbols().user(pid, [hidden]))).toEqual([undefined])
  })

  it('never gives a name for one call if something else was mapped at the address', async () => {
    const child = await start(path('target'))
    const text = (name: string): bigint => {
      const address = execFileSync('nm', [path(name)], { encoding: 'utf8' })
      // The text of such a small library is at the same place of the file as in memory.
      return BigInt(`0x${/^(\w+) . act$/m.exec(address)![1]}`)
    }
    const symbols = new Symbols()
    const at = (await child.tell(`f${path('first.so')}`)) + text('first.so')
    expect(namesOf(symbols.user(child.pid, [at]))).toEqual(['act'])
    await child.tell(`f${path('second.so')}`)
    const [frame] = symbols.user(child.pid, [at])
    expect(frame).toMatchObject({
      name: undefined,
      why: expect.stringContaining('has since mapped something else'),
    })
    expect(namesOf(symbols.user(child.pid, [at, at - 1n]))[0]).toBe('act')
  })

  it('keeps the names of a process that has ended, and gives them to no other one', async () => {
    const child = await start(path('target'))
    const symbols = new Symbols()
    symbols.user(child.pid, [])
    await child.end()
    expect(namesOf(symbols.user(child.pid, [child.hidden]))).toEqual(['hidden'])
    const [frame] = symbols.user(child.pid, [child.hidden], { startTime: 12_345n })
    expect(frame?.why).toBe('another process has this id now')
    const [gone] = new Symbols().user(child.pid, [child.hidden])
    expect(gone?.why).toBe(`process ${child.pid} has ended`)
  })

  it('names functions of the vDSO', async () => {
    const { pid } = await start(path('target'))
    const { start: begin, end } = mappingsIn(readMaps(pid)).find((one) => one.path === '[vdso]')!
    const addresses = Array.from({ length: end - begin }, (_, i) => BigInt(begin + i))
    const names = new Set(namesOf(new Symbols().user(pid, addresses)))
    const name = process.arch === 'arm64' ? '__kernel_clock_gettime' : '__vdso_clock_gettime'
    expect(names.has(name)).toBe(true)
  })

  it('names calls into other files', async () => {
    const { pid } = await start(path('target'))
    const code = mappingsIn(readMaps(pid)).find((one) => one.executable && one.path === path('target'))!
    const addresses = Array.from({ length: code.end - code.start }, (_, i) => BigInt(code.start + i))
    const names = new Set(namesOf(new Symbols().user(pid, addresses)))
    for (const name of ['fgets@plt', 'dlopen@plt', 'hidden', 'main']) expect(names.has(name), name).toBe(true)
  })

  const isX64 = process.arch === 'x64'
  it.skipIf(!isX64)(`names calls of functions that are also values${isX64 ? '' : ' (only on x64)'}`, () => {
    const source =
      'int puts(const char*); int (*volatile say)(const char*); int main() { say = puts; return puts("x"); }'
    const file = path('values')
    execFileSync('cc', ['-o', file, '-fPIE', '-pie', '-Wl,-z,lazy', '-x', 'c', '-'], { input: source })
    const elf = new Elf(memorySource(readFileSync(file)))
    const { offset, size } = elf.section('.plt.got')!
    const binary = Binary.inMemory(memorySource(readFileSync(file)))!
    const names = Array.from({ length: size }, (_, i) => binary.find(offset + i)?.name)
    expect(names).toContain('puts@plt')
    expect(binary.find(offset + names.indexOf('puts@plt'))?.start).toBe(offset + names.indexOf('puts@plt'))
  })

  it('reads a perf map as it grows, the last entry of an address wins', async () => {
    const child = await start(path('target'))
    const map = `/tmp/perf-${child.pid}.map`
    try {
      const code = await child.tell('j')
      const hex = code.toString(16)
      const symbols = new Symbols()
      const [without] = symbols.user(child.pid, [code])
      expect(without).toMatchObject({ name: undefined, module: '[anonymous]' })
      expect(without?.why).toContain(map)
      writeFileSync(
        map,
        `${hex} 10 JS:*first /x.js:1:1\n0x${(code + 16n).toString(16)} 20 öther\n${hex} 8 incomple`,
      )
      expect(namesOf(new Symbols().user(child.pid, [code]))).toEqual(['JS:*first /x.js:1:1'])
      expect(symbols.user(child.pid, [code + 4n, code + 17n])).toMatchObject([
        { name: 'JS:*first /x.js:1:1', offset: 4, kind: 'jit', module: '[jit]' },
        { name: 'öther', offset: 1 },
      ])
      appendFileSync(map, 'te name\n')
      // It may have been recorded before or after the code was replaced.
      expect(symbols.user(child.pid, [code + 4n])[0]).toMatchObject({
        name: undefined,
        why: expect.stringContaining('taken its place'),
      })
      expect(namesOf(symbols.user(child.pid, [code + 4n, code + 9n]))).toEqual([
        'incomplete name',
        'JS:*first /x.js:1:1',
      ])
    } finally {
      rmSync(map, { force: true })
    }
  })

  it('reads the jitdump of Node.js', async () => {
    const script = `
      function burnHotly(n) { let x = 0; for (let i = 0; i < n; i++) x = (x * 31 + i) % 1000003; return x }
      for (let i = 0; i < 200; i++) burnHotly(1e5)
      process.stdout.write('0 0')
      setInterval(() => burnHotly(1e5), 10)
    `
    const child = spawn(process.execPath, ['--perf-prof', '-e', script], { cwd: folder })
    children.push(child)
    await once(child.stdout, 'data')
    const pid = child.pid!
    const dump = readFileSync(path(`jit-${pid}.dump`))
    const at = dump.indexOf('burnHotly ')
    expect(at).toBeGreaterThan(0)
    // The address of the code is 24 bytes before the name of a record.
    const begin = dump.lastIndexOf('JS:', at)
    const code = dump.readBigUInt64LE(begin - 24)
    const [frame] = new Symbols().user(pid, [code + 1n])
    expect(frame).toMatchObject({ name: expect.stringContaining('burnHotly'), offset: 1, kind: 'jit' })
  })

  it('does not believe the perf map of another user', async () => {
    const child = await start(path('target'))
    const map = `/tmp/perf-${child.pid}.map`
    try {
      const code = await child.tell('j')
      writeFileSync(map, `${code.toString(16)} 10 planted\n`)
      chownSync(map, 65534, 65534)
      expect(namesOf(new Symbols().user(child.pid, [code]))).toEqual([undefined])
    } finally {
      rmSync(map, { force: true })
    }
  })

  it('says why there are no names', () => {
    const symbols = new Symbols()
    expect(symbols.user(process.pid, [1n])[0]?.why).toBe('the process has no code there')
    expect(symbols.user(2 ** 22 + 1, [1n])[0]?.why).toMatch(/has ended/)
    expect(() => symbols.user(0, [1n])).toThrow(TypeError)
    expect(() => symbols.user(1.5, [1n])).toThrow(TypeError)
  })
})
