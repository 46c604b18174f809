// Random text from the kernel and from anyone who can influence it: text in a known form is read correctly, and all
// other text gives a well-formed result.
import { isIPv6 } from 'node:net'
import { describe, expect, it } from 'vitest'
import { mappedFilesIn } from '../../lib/attach/mapped-file.js'
import { parse as parseTrace } from '../../lib/cli/tracelog.js'
import { readComments } from '../../lib/codegen/comments.js'
import { BpfError, VerifierError } from '../../lib/errors/errors.js'
import { explain } from '../../lib/errors/explain.js'
import { readVerdict, rejectedProgram, verifierLogOf } from '../../lib/errors/verifier-log.js'
import { heldBy } from '../../lib/kernel/inventory.js'
import { cpusIn } from '../../lib/machine/cpus.js'
import { functionsIn } from '../../lib/machine/kallsyms.js'
import { cidrCodec } from '../../lib/maps/cidr-codec.js'
import { factsIn } from '../../lib/maps/fdinfo.js'
import { type Random, times } from '../helpers/random.js'

const frame = (program: string, text: string): string =>
  `libbpf: prog '${program}': -- BEGIN PROG LOAD LOG --\n${text}-- END PROG LOAD LOG --\n`

const instructions = ['(85) call bpf_get_current_task#35', 'R1_w=ctx() ; (b7) r0 = 0', '(95) exit']
const asides = ['processed 6 insns (limit 1000000) max_states_per_insn 0', 'old state: R1=ctx() R10=fp0', '']
const paths = ['0: R1=ctx() R10=fp0', 'from 5 to 7:']
const reasons = [
  "R0 invalid mem access 'map_value_or_null'",
  'R1 !read_ok',
  'last insn is not an exit or jmp',
]
const code = ['return *value;', 'bpf_printk("%s @ %d", a, b);', 'if (a) // @ x.c:3', 'x = y; z = 1;', '{']
const files = ['exec.bpf.c', './a b/exec.bpf.c', '/src/é.h']

describe('readVerdict', () => {
  it('finds the sentences after the last instruction, that instruction and its line in C', () => {
    times(500, ({ below, oneOf, several }) => {
      let sentences: string[] = []
      let isNewPath = false
      let instruction: number | undefined
      let source: unknown
      const lines = several(20, () => {
        switch (below(4)) {
          case 0:
            instruction = below(1_000_000)
            sentences = []
            return `${instruction}: ${oneOf(instructions)}`
          case 1: {
            const line = { file: oneOf(files), line: 1 + below(100_000), text: oneOf(code) }
            source = line
            return `; ${line.text} @ ${line.file}:${line.line}`
          }
          case 2: {
            if (isNewPath) sentences = []
            isNewPath = false
            const sentence = oneOf(reasons)
            sentences.push(sentence)
            return sentence
          }
          default: {
            const aside = oneOf([...asides, ...paths])
            isNewPath ||= paths.includes(aside)
            return aside
          }
        }
      })
      const text = lines.map((line) => `${line}\n`).join('')
      const warnings = `libbpf: before\n${frame('other', '0: (95) exit\n')}${frame('on_exec', text)}libbpf: after\n`
      expect(verifierLogOf('on_exec', warnings)).toBe(text)
      expect(readVerdict(text)).toEqual({ reason: sentences.slice(-4).join('; '), instruction, source })
    })
  })

  it('finds the last sentence when statistics follow on the same line', () => {
    for (const end of [
      'processed 6 insns (limit 1000000) max_states_per_insn 0',
      'verification time 3 usec',
    ]) {
      expect(
        readVerdict(`3: (85) call bpf_tail_call#12\nexpected prog array map for tail call${end}\n`).reason,
      ).toBe('expected prog array map for tail call')
    }
  })

  it('gives something well-formed for any text', () => {
    times(500, (random) => {
      const text = logOf(random)
      const { reason, instruction, source } = readVerdict(text)
      // A sentence that goes on in the next line is joined with a space.
      const flat = text.replace(/\s+/g, ' ')
      for (const sentence of reason.split('; ')) expect(flat).toContain(sentence.replace(/\s+/g, ' '))
      expect(reason).toBe(reason.trim())
      expect(instruction === undefined || Number.isSafeInteger(instruction)).toBe(true)
      expect(source === undefined || Number.isSafeInteger(source.line)).toBe(true)
      rejectedProgram(text)
      verifierLogOf('a', text)
    })
  })

  it('takes little time for long lines, and for logs of hundreds of megabytes', () => {
    for (const piece of [
      ' @ ',
      '; a @ b:1',
      ': ',
      '0: (',
      ' (',
      "prog '",
      '; ',
      'R1_w=; ',
      'processed 1 insns ',
    ]) {
      const line = piece.repeat(20_000)
      readVerdict(`; ${line}\n5: R1${line}\n`)
      explain(
        nativeError(`libbpf: ${line}\nfailed to resolve CO-RE relocation <x> [1] ${line}\n`, 22),
        subject,
      )
    }
    const log = '1: (95) exit\n'.repeat(20_000_000)
    // V8 only puts the pieces together when someone looks at them, which is not what is measured.
    expect(log.indexOf('\0')).toBe(-1)
    const start = performance.now()
    readVerdict(log)
    expect(performance.now() - start).toBeLessThan(1000)
  })
})

const subject = { what: "load object 'exec'", target: 'exec' }

function nativeError(log: string, errno: number, operation = 'bpf_object__load'): Error {
  return Object.assign(new Error('native'), { errno, operation, log })
}

/** A log of pieces of logs. */
function logOf({ below, oneOf, several, text }: Random): string {
  const piece = () =>
    below(3) === 0
      ? text(40)
      : oneOf([...instructions, ...asides, ...paths, ...reasons, ...code, ...warnings])
  return several(12, () => `${oneOf(['', '; ', '7: ', 'libbpf: '])}${piece()}\n`).join('')
}

const warnings = [
  "prog 'on_exec': BPF program load failed: -EACCES",
  "prog 'a': -- BEGIN PROG LOAD LOG --",
  '-- END PROG LOAD LOG --',
  'failed to resolve CO-RE relocation <byte_off> [7] struct task_struct___x.pid (0:1 @ offset 4)',
  "failed to determine tracepoint 'sched/sched_swich' perf event ID: -ENOENT",
  "extern 'CONFIG_HZ' (strong): not resolved",
  "extern (func ksym) 'bpf_no_such': not found in kernel or module BTFs",
  "map 'm': failed to create: -E2BIG(-7)",
  "prog 'on_exec': missing BPF prog type, check ELF section name 'kporbe/x'",
  "prog 'x': SEC(\"struct_ops/x\") program isn't referenced anywhere, did you forget to use it?",
  'specified path /tmp/x is not on BPF FS',
  'elf: failed to open /nothing: -EACCES',
]

describe('errors of libbpf', () => {
  it('become a BpfError with a sentence, whatever the log contains', () => {
    times(400, (random) => {
      const { below, oneOf } = random
      const operations = [
        'bpf_object__load',
        'bpf_object__open_mem',
        'bpf_map_update_elem',
        'bpf_link__open',
        '',
      ]
      const errno = oneOf([0, 1, 2, 3, 7, 12, 13, 17, 22, 28, 524, 4001, below(5000)])
      const kernelLog = below(3) === 0 ? () => logOf(random) : undefined
      const error = explain(nativeError(logOf(random), errno, oneOf(operations)), { ...subject, kernelLog })
      if (!(error instanceof BpfError)) throw new Error(`not ours: ${error}`)
      expect(error.message).toMatch(/^load object 'exec': /)
      expect(error.message).not.toMatch(/undefined|\[object|NaN/)
      expect(error.code).toMatch(/^\w+$|^errno \d+$/)
      if (error instanceof VerifierError) expect(error.reason).not.toBe('')
    })
  })
})

describe('reading /proc/kallsyms', () => {
  const wildcards = ['*', '**', '?', '.', 'a', 'b', '_', '+', '(', '\\', '[', '$']

  it('finds all symbols', () => {
    times(200, ({ below, bytes, oneOf, several }) => {
      const names: string[] = []
      const lines = several(30, () => {
        const name = `f${Buffer.from(bytes(1 + below(12))).toString('hex')}${oneOf(['', '.cold', '.isra.0'])}`
        const type = oneOf([...'tTwWdDbBrRA'])
        if ('tTwW'.includes(type)) names.push(name)
        return `${Buffer.from(bytes(8)).toString('hex')} ${type} ${name}${oneOf(['', '\t[ext4]'])}\n`
      })
      const text = lines.join('')
      expect(functionsIn(text)).toEqual(names)
      expect(functionsIn(text, '*')).toEqual(names)
      expect(functionsIn(text, /^f[0-7]/g)).toEqual(names.filter((name) => /^f[0-7]/.test(name)))
    })
  })

  it('treats only wildcards specially in patterns', () => {
    times(500, ({ oneOf, several }) => {
      const glob = several(8, () => oneOf(wildcards)).join('')
      const name = `a${several(6, () => oneOf([...'ab_.+([$'])).join('')}`
      expect(functionsIn(`0 t ${name}\n`, glob)).toEqual(fits(name, glob) ? [name] : [])
    })
  })

  it('is fast for patterns with many wildcards', () => {
    expect(functionsIn(`0 t ${'a'.repeat(100)}\n`, `${'*'.repeat(100)}b`)).toEqual([])
  })

  it('returns names for any content', () => {
    times(300, ({ oneOf, several, text }) => {
      const lines = several(20, () => oneOf(['ffffffff81000000 t ', '0 T', '']) + text(30))
      for (const name of functionsIn(lines.join('\n'))) expect(name).toMatch(/^\S+$/)
    })
  })
})

/** A simple matcher for wildcards. */
function fits(name: string, glob: string): boolean {
  if (glob === '') return name === ''
  if (glob[0] === '*') return fits(name, glob.slice(1)) || (name !== '' && fits(name.slice(1), glob))
  return name !== '' && (glob[0] === '?' || glob[0] === name[0]) && fits(name.slice(1), glob.slice(1))
}

describe('reading /proc', () => {
  it('finds the object of a descriptor in fdinfo', () => {
    times(300, ({ below, oneOf, several, text }) => {
      const [id, other, memlock] = [below(2 ** 32), below(2 ** 32), below(2 ** 40)]
      const kind = oneOf(['prog', 'map', 'btf', 'link'])
      const frozen = oneOf([true, false])
      const noise = several(3, () => `${text(10).replace(/[\n\r\u2028]/g, '')}:\t${below(100)}\n`).join('')
      const head = `pos:\t0\nflags:\t02000002\nmnt_id:\t15\n${noise}`
      const link =
        kind === 'link' ? `link_type:\tcgroup\nlink_id:\t${id}\nprog_id:\t${other}\n` : `${kind}_id:\t${id}\n`
      const fdinfo = `${head}memlock:\t${memlock}\nfrozen:\t${Number(frozen)}\n${link}`
      const target = kind === 'link' ? 'anon_inode:bpf_link' : `anon_inode:bpf-${kind}`
      expect(heldBy(target, fdinfo)).toBe(`${kind === 'prog' ? 'program' : kind} ${id}`)
      expect(factsIn(fdinfo)).toEqual({ memlock, frozen })
    })
  })

  it('returns an id or nothing for any other fdinfo', () => {
    times(300, ({ oneOf, several, text }) => {
      const words = ['map_id:', 'prog_id:\t7', 'link_id:', '\n', ' ', '-1', '9', 'memlock:\t', 'frozen:1']
      const fdinfo = several(20, () => oneOf([...words, text(5)])).join('')
      expect(heldBy(oneOf(['anon_inode:bpf_link', 'anon_inode:bpf-map']), fdinfo) ?? 'map 1').toMatch(
        /^\w+ \d+$/,
      )
      const { memlock, frozen } = factsIn(fdinfo)
      expect([typeof memlock, Number.isNaN(memlock), typeof frozen]).toEqual(['number', false, 'boolean'])
    })
  })

  it('finds files in maps, whatever their names contain', () => {
    times(200, ({ oneOf, several, text }) => {
      const paths: string[] = []
      let inode = 0
      const lines = several(20, () => {
        const name = text(12).replace(/[\n/]/g, '')
        const what = oneOf(['', '[heap]', 'anon_inode:[perf_event]', `/usr/l b/${name}.so`])
        if (what.startsWith('/')) paths.push(what)
        return `7f00-8000 r-xp 00000000 fe:00 ${++inode}                  ${what}\n`
      })
      expect(mappedFilesIn(lines.join('')).map(({ path }) => path)).toEqual(paths)
    })
  })

  it('parses lists of CPUs', () => {
    times(200, ({ below, several }) => {
      const cpus = [...new Set([below(4), ...several(40, () => below(60))])].sort((a, b) => a - b)
      const ranges: [number, number][] = []
      for (const cpu of cpus) {
        const last = ranges.at(-1)
        if (last !== undefined && last[1] === cpu - 1) last[1] = cpu
        else ranges.push([cpu, cpu])
      }
      const list = ranges.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join()
      expect(cpusIn(`${list}\n`)).toEqual(cpus)
    })
  })
})

describe('lines of the trace pipe', () => {
  it('are parsed correctly, whatever programs print', () => {
    times(500, ({ below, oneOf, several, text }) => {
      const forged = 'a-17 [001] d..2. 12.345678: bpf_trace_printk: hello'
      const line = {
        comm: oneOf(['cat', 'a-1', '<...>', 'a b', 'kworker/u8:2', 'x (y) z']),
        pid: below(1 << 22),
        cpu: below(1024),
        seconds: below(1e9) / 1e6,
        text: several(3, () => oneOf([forged, text(10), ' '])).join(''),
      }
      const tgid = oneOf(['', '(-----) ', '( 123) '])
      const cpu = `[${String(line.cpu).padStart(3, '0')}]`
      const head = `${line.comm.padStart(16)}-${String(line.pid).padEnd(7)} ${tgid}${cpu} d..2.  ${line.seconds.toFixed(6)}`
      expect(parseTrace(`${head}: bpf_trace_printk: ${line.text}`)).toEqual(line)
    })
  })

  it('stay whole if they have any other form', () => {
    times(300, ({ oneOf, several, text }) => {
      const line = several(30, () =>
        oneOf(['-1 ', '(', ') ', '[0]', ' ', ': bpf_trace_printk: ', text(5)]),
      ).join('')
      const { line: whole = line } = parseTrace(line)
      expect(whole).toBe(line)
    })
  })
})

describe('networks in CIDR notation', () => {
  it('survive encoding and decoding', () => {
    times(500, ({ below, oneOf, bytes }) => {
      const size = oneOf([4, 16])
      const codec = cidrCodec(size + 4)
      const length = below(size * 8 + 1)
      const address = bytes(size).map((byte, i) => {
        const sparse = below(2) === 0 ? byte : 0
        return sparse & (0xff00 >> Math.min(8, Math.max(0, length - i * 8)))
      })
      const key = new Uint8Array(size + 4)
      new DataView(key.buffer).setUint32(0, length, true)
      key.set(address, 4)
      const text = codec.decode(new DataView(key.buffer))
      const again = new Uint8Array(size + 4)
      codec.encode(text, new DataView(again.buffer))
      expect(again, text).toEqual(key)
      if (size === 16) expect(isIPv6(text.split('/')[0] ?? '')).toBe(true)
    })
  })

  it('are refused with an explanation if they are wrong', () => {
    const pieces = [
      '::',
      ':',
      '1',
      'ffff',
      '.',
      '/',
      '10.1.2.3',
      '32',
      '128',
      '%eth0',
      '0x1',
      '-1',
      ' ',
      '1e1',
    ]
    times(1000, ({ oneOf, several, text }) => {
      const size = oneOf([4, 16])
      const view = new DataView(new ArrayBuffer(size + 4))
      const value = several(6, () => oneOf([...pieces, text(3)])).join('')
      try {
        cidrCodec(size + 4).encode(value, view)
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
        expect((error as Error).message).toMatch(/^key '/)
      }
    })
  })
})

describe('comments of C source', () => {
  it('are found or not, but never fail, in text that is not C', () => {
    const pieces = [
      '/*',
      '*/',
      '//',
      '\n',
      'struct',
      'union {',
      '}',
      '{',
      ';',
      'a',
      '(',
      ')',
      '"',
      "'",
      '\\',
      '#',
    ]
    times(300, ({ oneOf, several, text }) => {
      const source = several(60, () => `${oneOf([...pieces, text(4)])}${oneOf(['', ' '])}`).join('')
      const { types, globals } = readComments([source])
      for (const words of globals.values()) expect(typeof words).toBe('string')
      for (const { words } of types.values()) expect(typeof words).toBe('string')
    })
    for (const piece of pieces) readComments([`${piece} `.repeat(5_000)])
  })
})
