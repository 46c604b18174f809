import { spawnSync } from 'node:child_process'
import { BpfObject, Linker } from 'libbpf-node'
import { CompileError, compile, log } from 'libbpf-node/kernel'
import { type LogLine, logTo } from 'libbpf-node/log'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { objectPath, thrownBy } from '../helpers/objects.js'

const source = `import { data, log, type s32, tcIngress, type u32, u64 } from 'libbpf-node/kernel'

export const count = data<u32>(3)

function helper(number: s32) {
  log.warn\`helper got \${number}\`
}

export const onPacket = tcIngress((packet) => {
  log.debug\`never\`
  log.info\`100% of \${count} packets, \${u64(1) << 40} and \${packet.len}\`
  helper(-5)
  return 0
})

export const license = 'GPL'
`

function linesOf(bytes: Uint8Array, program: string): LogLine[] {
  const lines: LogLine[] = []
  using object = BpfObject.open(bytes, { name: 'logs' })
  object.loadSync()
  using _ = logTo(object, (line) => lines.push(line))
  object.program(program).testRunSync({ data: new Uint8Array(64) })
  return lines
}

describe('log', () => {
  requiresKernel('5.10', 'records values, from which user space makes text', () => {
    const lines = linesOf(compile(source, { file: 'logs.bpf.ts' }).object, 'onPacket')
    expect(lines).toMatchObject([
      {
        level: 'info',
        message: '100% of 3 packets, 1099511627776 and 64',
        values: { count: 3, 'u64(1) << 40': 1n << 40n, len: 64 },
        file: 'logs.bpf.ts',
        line: 11,
        function: 'onPacket',
      },
      { level: 'warn', message: 'helper got -5', values: { number: -5 }, line: 6, function: 'helper' },
    ])
  })

  requiresKernel('5.10', 'records text of the kernel and of variables', () => {
    const text = `
interface Names { comm: char<16> }
export const onExec = rawTp('sched_process_exec', (task, _, binary) => {
  const names = zero<Names>()
  names.comm = bpf.getCurrentComm()
  log.error\`\${names.comm} is \${task.comm}, from \${binary.filename}\`
  return 0
})
export const license = 'GPL'
`
    const lines: LogLine[] = []
    using object = BpfObject.open(compile(text).object)
    object.loadSync()
    using log = logTo(object, (line) => lines.push(line))
    object.attach()
    const { pid } = spawnSync('/bin/true')
    expect(pid).toBeGreaterThan(0)
    log.flush()
    const line = lines.find(({ values }) => values.filename === '/bin/true')
    expect(line?.message).toBe('true is true, from /bin/true')
    expect(Object.keys(line!.values)).toEqual(['names.comm', 'task.comm', 'filename'])
  })

  requiresKernel('5.10', 'shares a ring with the files that it is linked with', async () => {
    const own = compile(source, { file: 'logs.bpf.ts' }).object
    const other = compile(source.replaceAll('onPacket', 'other').replaceAll('count', 'total')).object
    const linked = await Linker.link([objectPath('log'), own, other])
    expect(linesOf(linked, 'other').map(({ message }) => message)).toEqual([
      '100% of 3 packets, 1099511627776 and 64',
      'helper got -5',
    ])
  })

  it('says which levels there are', () => {
    const error = thrownBy(() => compile(source.replace('log.info', 'log.inform')))
    expect(error).toBeInstanceOf(CompileError)
    expect((error as CompileError).reason).toBe("log has no level 'inform'")
    expect((error as CompileError).hint).toMatch(/info/)
  })

  it('is for the kernel only', () => {
    expect(() => log.info`text`).toThrow('log.info is for programs that run in the kernel')
  })
})
