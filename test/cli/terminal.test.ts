// What is different on a terminal, which script(1) provides.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { cli } from '../codegen/helper.js'
import { requiresKernel } from '../helpers/kernel.js'
import { load } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'

const esc = '\x1b'

/** Runs `libbpf-node` on a terminal of its own with 30 rows. */
function onTerminal(args: string[], env: Record<string, string> = {}, width = 100) {
  const command = `stty cols ${width} rows 30; tty; exec '${process.execPath}' '${cli}' ${args.join(' ')}`
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm', NO_COLOR: '', SHELL: '/bin/sh', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    output += piece
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return {
    ended,
    /** The output without the line of `tty`. */
    output: () => output.slice(output.indexOf('\n') + 1).replaceAll('\r\n', '\n'),
    resize: (columns: number, rows: number) => {
      const [terminal = ''] = output.split('\r\n')
      execFileSync('stty', ['-F', terminal, 'cols', String(columns), 'rows', String(rows)])
    },
    type: (keys: string) => child.stdin.write(keys),
  }
}

/** The lines of each picture that `top` has drawn completely. */
function pictures(output: string): string[][] {
  return output
    .split(`${esc}[H`)
    .slice(1)
    .filter((picture) => picture.includes(`${esc}[J`))
    .map((picture) =>
      picture
        .slice(0, picture.indexOf(`${esc}[J`))
        .replaceAll(`${esc}[K`, '')
        .split('\n'),
    )
}

describe('libbpf-node top', () => {
  requiresKernel(
    '5.8',
    'fits a terminal of any size, follows a resize, and restores the screen',
    async () => {
      using _object = load('programs')
      const top = onTerminal(['top', '--interval', '0.1'])
      const drawn = (is: (lines: string[]) => boolean) => () => {
        const last = pictures(top.output()).at(-1)
        return last !== undefined && is(last)
      }
      const widest = (lines: string[]) => Math.max(...lines.map(({ length }) => length))
      await until(
        'it is drawn',
        drawn((lines) => lines.length > 4),
      )
      const [first] = pictures(top.output())
      expect(first![0]).toMatch(/^ *id +type +name +runs\/s +ns\/run +cpu % +cpu history +attached to/)
      expect(first!.length).toBeGreaterThan(4)
      expect(widest(first!)).toBeGreaterThan(40)
      expect(widest(first!)).toBeLessThanOrEqual(100)

      top.resize(31, 4)
      await until(
        'it is small',
        drawn((lines) => lines.length <= 4 && widest(lines) <= 31),
      )
      top.resize(120, 40)
      await until(
        'it is large again',
        drawn((lines) => lines.length > 4 && widest(lines) > 40),
      )

      // A terminal that does not know its size reports 0.
      top.resize(0, 0)
      const before = pictures(top.output()).length
      await until('it is drawn two more times', () => pictures(top.output()).length > before + 2)
      const last = pictures(top.output()).at(-1)!
      expect(last.length).toBeGreaterThan(4)
      expect(widest(last)).toBeGreaterThan(40)

      // Ctrl-C
      top.type('\x03')
      expect(await top.ended).toBe(0)
      const output = top.output()
      expect(output.startsWith(`${esc}[?1049h${esc}[?25l`)).toBe(true)
      // The terminal echoes the key.
      expect(output.replace('^C', '').endsWith(`${esc}[?25h${esc}[?1049l`)).toBe(true)
    },
  )

  requiresKernel('5.8', 'sorts by other columns when keys are pressed, and ends with q', async () => {
    using _object = load('programs')
    const top = onTerminal(['top', '--interval', '0.1'], { LANG: 'C.UTF-8' })
    const ids = () =>
      (pictures(top.output()).at(-1) ?? []).flatMap((line) => /^ *(\d+) /.exec(line)?.[1] ?? []).map(Number)
    await until('it is drawn', () => ids().length > 2)
    top.type('i')
    await until('it is sorted', () => ids().every((id, i, all) => i === 0 || all[i - 1]! < id))
    await until('there is a history', () => /[▁▂▃▄▅▆▇█]{3}/.test(pictures(top.output()).at(-1)!.join('')))
    top.type('q')
    expect(await top.ended).toBe(0)
    expect(top.output().endsWith(`${esc}[?25h${esc}[?1049l`)).toBe(true)
  })

  requiresKernel('5.8', 'prints one measurement without control sequences with --once', async () => {
    using _object = load('programs')
    const top = onTerminal(['top', '--once', '--interval', '0.1'])
    expect(await top.ended).toBe(0)
    expect(top.output()).not.toContain(esc)
    expect(top.output()).toMatch(/^ *id +type +name/)
  })
})

describe('questions on a terminal', () => {
  useTracefs()

  it.each([
    ['a table that grows', 'count rt:sched_switch --by comm', /^ *\d+ [█▏▎▍▌▋▊▉]+ *\S/],
    [
      'a histogram that grows',
      'hist rt:sched_switch --value args.next.prio',
      /^\[.*[\])] +\d+ \|[█▏▎▍▌▋▊▉ ]+\|$/,
    ],
    ['a heat map', 'hist rt:sched_switch --value args.next.prio --heat-map', /^ *\[.*[\])] \|[ ░▒▓█]+\|$/],
    ['the answer of a tool', 'tool syscount', /^ *\d+ [█▏▎▍▌▋▊▉]+ *\S/],
  ])('are %s, until Ctrl-C', async (_, command, line) => {
    const shown = onTerminal(
      [...command.split(' '), '--interval', '0.2'],
      { LANG: 'C.UTF-8', NO_COLOR: '1' },
      60,
    )
    const rows = () => pictures(shown.output()).map((lines) => lines.filter((one) => line.test(one)))
    await until('there are two pictures', () => rows().filter((found) => found.length > 0).length > 1, {
      seconds: 30,
    })
    for (const lines of pictures(shown.output()))
      expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(60)
    shown.type('\x03')
    expect(await shown.ended).toBe(0)
    expect(shown.output()).toContain(`${esc}[?25h${esc}[?1049l`)
  })

  it('have colors in a heat map', async () => {
    const command = [
      'hist',
      'rt:sched_switch',
      '--value',
      'args.next.prio',
      '--heat-map',
      '--interval',
      '0.2',
    ]
    const shown = onTerminal(command, { LANG: 'C.UTF-8' }, 60)
    await until('there is a color', () => shown.output().includes(`${esc}[48;5;`), { seconds: 30 })
    shown.type('\x03')
    expect(await shown.ended).toBe(0)
  })
})

describe('tables on a narrow terminal', () => {
  const widest = (text: string) => Math.max(...text.split('\n').map(({ length }) => length))

  it.each([60, 80])('fit into %d columns', async (width) => {
    using object = load('links')
    using _link = object.program('raw_tracepoint').attach()
    for (const what of ['prog', 'map', 'link', 'btf']) {
      const list = onTerminal([what, 'list'], {}, width)
      expect(await list.ended).toBe(0)
      expect(widest(list.output())).toBeLessThanOrEqual(width)
    }
  })

  requiresKernel('5.8', 'fit into 60 columns when top prints them once', async () => {
    using _object = load('programs')
    const top = onTerminal(['top', '--once', '--interval', '0.1'], {}, 60)
    expect(await top.ended).toBe(0)
    expect(widest(top.output())).toBeLessThanOrEqual(60)
  })
})

describe('libbpf-node doctor', () => {
  it('uses colors unless NO_COLOR is set', async () => {
    const colored = onTerminal(['doctor'])
    const plain = onTerminal(['doctor'], { NO_COLOR: '1' })
    expect([await colored.ended, await plain.ended]).toEqual([0, 0])
    expect(colored.output()).toContain(`${esc}[32mok     ${esc}[0m  kernel`)
    expect(plain.output()).not.toContain(esc)
    expect(plain.output()).toMatch(/^ok {7}kernel/)
  })
})

// The package with the compiler is for this architecture only.
if (process.arch === 'x64') {
  describe('libbpf-node gen without clang', () => {
    it('asks before it fetches a compiler, and takes no for an answer', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-terminal-'))
      try {
        writeFileSync(join(folder, 'a.bpf.c'), 'int a;\n')
        symlinkSync('/bin/sh', join(folder, 'sh'))
        for (const name of ['script', 'stty', 'tty']) symlinkSync(`/usr/bin/${name}`, join(folder, name))
        const env = { PATH: folder, XDG_CACHE_HOME: folder, CLANG: '' }
        const gen = onTerminal(['gen', join(folder, 'a.bpf.c')], env, 300)
        await until('it asks', () => gen.output().includes('[y/N]'))
        expect(gen.output()).toContain('Fetch a compiler from the npm registry (58 MB, 165 MB unpacked)?')
        gen.type('n\n')
        expect(await gen.ended).toBe(1)
        expect(gen.output()).toContain('clang is not on the PATH: install it')
        expect(existsSync(join(folder, 'libbpf-node'))).toBe(false)
      } finally {
        rmSync(folder, { recursive: true })
      }
    })
  })
}
