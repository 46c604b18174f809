// Lines and inlined functions of processes, wherever their debug information is.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Frame, Symbols } from 'libbpf-node/symbols'
import { afterEach, describe, expect, it } from 'vitest'
import { useFolder } from '../codegen/helper.js'
import { isHere } from '../helpers/command.js'

const folder = useFolder()
const path = (name: string): string => join(folder, name)
const children: ChildProcess[] = []
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  }
})

/** `place` is an instruction of `innermost`, which is inlined into `middle`, which is inlined into `outer`. */
const source = `#include <stdio.h>
extern char place[];
static inline __attribute__((always_inline)) int innermost(int n) {
  __asm__ volatile("place: nop");
  return n * 3;
}
static inline __attribute__((always_inline)) int middle(int n) {
  int once = innermost(n + 1);
  return once - 1;
}
__attribute__((noinline)) int outer(int n) {
  printf("%p\\n", place);
  fflush(stdout);
  return middle(n) + n;
}
int main(int c, char** v) {
  outer(c);
  getchar();
}
`

function compile(name: string, ...flags: string[]): string {
  writeFileSync(path('shop.c'), source)
  execFileSync('cc', ['-O1', '-g', '-no-pie', ...flags, '-o', path(name), 'shop.c'], { cwd: folder })
  return path(name)
}

async function start(command: string, ...args: string[]) {
  const child = spawn(command, args)
  children.push(child)
  const [text] = await once(child.stdout, 'data')
  return { pid: child.pid!, place: BigInt(String(text).trim()), child }
}

/** The debug information goes into another file, and the program says where it is. */
function split(name: string): void {
  execFileSync('objcopy', ['--only-keep-debug', path(name), path(`${name}.debug`)])
  execFileSync('strip', ['--strip-all', path(name)])
}

const file = path('shop.c')
const short = (frames: readonly Frame[] = []) =>
  frames.map(
    ({ name, source }) => `${name} ${source?.file === file ? 'shop.c' : source?.file}:${source?.line}`,
  )
const expected = ['innermost shop.c:4', 'middle shop.c:8', 'outer shop.c:14']

function namesAndLines(pid: number, place: bigint, symbols = new Symbols()): string[] {
  const [frame] = symbols.user(pid, [place], { lines: true })
  return [...short(frame?.inlined), ...short([frame!])]
}

describe('Symbols.user with lines', () => {
  it('has the line and the inlined functions, the innermost first', async () => {
    const { pid, place } = await start(compile('shop'))
    const symbols = new Symbols()
    const [plain] = symbols.user(pid, [place])
    expect(plain).toEqual({
      address: place,
      name: 'outer',
      offset: plain!.offset,
      kind: 'file',
      module: path('shop'),
    })
    const [frame] = symbols.user(pid, [place], { lines: true })
    const inlined = (name: string, line: number) => ({
      ...plain,
      name,
      offset: 0,
      source: { file, line },
      isInlined: true,
    })
    expect(frame).toEqual({
      ...plain,
      source: { file, line: 14 },
      inlined: [inlined('innermost', 4), inlined('middle', 8)],
    })
    expect(symbols.user(pid, [place])).toEqual([plain])
  })

  it.each([['zlib'], ['zlib-gnu'], ['none']])('reads sections that are compressed with %s', async (kind) => {
    const { pid, place } = await start(compile('packed', `-gz=${kind}`))
    expect(namesAndLines(pid, place)).toEqual(expected)
  })

  it('reads the debug file that the build id names', async () => {
    const id = `cd${'12'.repeat(19)}`
    const root = path('root')
    mkdirSync(join(root, 'usr/lib/debug/.build-id/cd'), { recursive: true })
    compile('root/alone', '-static', `-Wl,--build-id=0x${id}`)
    split('root/alone')
    const debug = join(root, `usr/lib/debug/.build-id/cd/${id.slice(2)}.debug`)
    renameSync(path('root/alone.debug'), debug)
    const { pid, place } = await start('chroot', root, '/alone')
    const symbols = new Symbols()
    expect(namesAndLines(pid, place, symbols)).toEqual(expected)
    // Other lines of another file are not believed, although it has the same path.
    compile('other', '-static', '-O0', `-Wl,--build-id=0x${'ef'.repeat(20)}`)
    copyFileSync(path('other'), debug)
    expect(namesAndLines(pid, place)).toEqual(['undefined undefined:undefined'])
    // What was read stays.
    expect(namesAndLines(pid, place, symbols)).toEqual(expected)
    expect(short(symbols.user(pid, [place + 1n], { lines: true }))).toEqual(['outer undefined:undefined'])
  })

  it('reads the debug file that .gnu_debuglink names, although the program kept its symbols', async () => {
    compile('linked')
    execFileSync('objcopy', ['--only-keep-debug', path('linked'), path('linked.debug')])
    execFileSync('strip', ['--strip-debug', path('linked')])
    execFileSync('objcopy', [`--add-gnu-debuglink=${path('linked.debug')}`, path('linked')])
    const { pid, place } = await start(path('linked'))
    expect(namesAndLines(pid, place)).toEqual(expected)
  })

  const title = `reads what dwz moved into a shared file${isHere('dwz') ? '' : ' (dwz is not installed)'}`
  it.skipIf(!isHere('dwz'))(title, async () => {
    writeFileSync(
      path('types.h'),
      '#include <netinet/in.h>\n#include <pthread.h>\n#include <signal.h>\n#include <stdio.h>\n' +
        'struct { struct in6_addr a; pthread_mutex_t b; siginfo_t c; FILE* d; } many_types;\n',
    )
    for (const name of ['one', 'two']) {
      compile(name, '-include', path('types.h'))
      execFileSync('objcopy', ['--only-keep-debug', path(name), path(`${name}.debug`)])
    }
    execFileSync('dwz', ['-m', path('shared.debug'), path('one.debug'), path('two.debug')])
    const entries = execFileSync('readelf', ['-wi', path('one.debug')], { encoding: 'utf8' })
    expect(entries).toMatch(/alt indirect string.* outer$/m)
    execFileSync('strip', ['--strip-all', path('one')])
    execFileSync('objcopy', [`--add-gnu-debuglink=${path('one.debug')}`, path('one')])
    const { pid, place } = await start(path('one'))
    expect(namesAndLines(pid, place)).toEqual(expected)
  })

  it('reads a deleted program, and keeps what it knows after the process has ended', async () => {
    const { pid, place, child } = await start(compile('gone'))
    rmSync(path('gone'))
    const symbols = new Symbols()
    expect(namesAndLines(pid, place, symbols)).toEqual(expected)
    child.kill()
    await once(child, 'close')
    expect(namesAndLines(pid, place, symbols)).toEqual(expected)
    const [frame] = symbols.user(pid, [place + 1n], { lines: true })
    expect(frame).toMatchObject({ name: 'outer', kind: 'file' })
    expect(frame?.source).toBeUndefined()
  })

  it('has names without lines if there is no debug information', async () => {
    const { pid, place } = await start(compile('bare', '-g0'))
    expect(namesAndLines(pid, place)).toEqual(['outer undefined:undefined'])
  })
})
