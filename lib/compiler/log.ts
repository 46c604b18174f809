// log.info`pid ${pid}`: records for a logger in Node.js, as libbpf_node_log of include/libbpf-node-log.bpf.h writes
// them.
import { array, type CType, char, sizeOf, struct, u32, u64 } from '../asm/c-types.js'
import type { MapDefinition } from '../asm/map-definition.js'
import type { GlobalDefinition } from '../asm/object-writer.js'
import type { ExpressionCompiler } from './expressions.js'
import type { Argument } from './ir.js'
import { countLoss } from './maps/rings.js'
import { nearest } from './nearest.js'
import { part } from './print.js'
import type { ast } from './syntax.js'
import type { Unit } from './unit.js'
import type { Scope, Value } from './values.js'

const levels = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 }
const section = '.rodata.node_logs'
const ring = 'node_logs'
const base = 'node_logs_base'
const threshold = 'libbpf_node_log_level'
/** Bytes of the ring: room for a few thousand lines. */
const ringSize = 1 << 18

/** Whether this is log.something`...`. */
export function isLog({ tag }: ast.TaggedTemplateExpression): boolean {
  return tag.type === 'MemberExpression' && tag.object.type === 'Identifier' && tag.object.name === 'log'
}

export function log(compiler: ExpressionCompiler, node: ast.TaggedTemplateExpression, scope: Scope): Value {
  const { tag, quasi } = node
  const property = tag.type === 'MemberExpression' ? tag.property : tag
  const name = property.type === 'Identifier' ? property.name : ''
  if (!Object.hasOwn(levels, name))
    compiler.source.fail(property, `log has no level '${name}'`, nearest(name, Object.keys(levels)))
  compiler.expectKernel('5.8', node, 'log', 'Write print(`...`).')
  const level = levels[name as keyof typeof levels]
  const end = compiler.newLabel()
  const [lowest, address] = [compiler.newReg(), compiler.newReg()]
  compiler.push({ op: 'symbol', d: address, kind: 'data', name: threshold })
  compiler.push({ op: 'load', d: lowest, base: address, offset: 0, size: 4 })
  compiler.push({ op: 'branch', comparison: 'gt', bits: 32, a: lowest, b: { imm: level }, to: end })
  const values = quasi.expressions.map((value) => part(compiler, value as ast.Expression, scope))
  record(compiler, node, level, values)
  compiler.label(end)
  return { kind: 'void' }
}

type Part = ReturnType<typeof part>

/** Reserves a record, fills it and submits it, or counts it as lost. */
function record(
  compiler: ExpressionCompiler,
  node: ast.TaggedTemplateExpression,
  level: number,
  values: readonly Part[],
): void {
  const members: Record<string, CType> = { site: u64, time: u64, cpu: u32 }
  for (const [i, { type }] of values.entries()) members[`value_${i + 1}`] = type
  const type = struct('', members)
  const site = declareSite(compiler, node, level, values, type)
  const reg = compiler.call('ringbuf_reserve', [{ map: ring }, { imm: type.size }, { imm: 0 }])
  const [full, end] = [compiler.newLabel(), compiler.newLabel()]
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: reg, b: { imm: 0 }, to: full })
  const list = typeof type.members === 'function' ? type.members() : type.members
  const put = (index: number, value: Argument): void => {
    const member = list[index]!
    const offset = member.bitOffset / 8
    const size = sizeOf(member.type)
    if (member.type.kind !== 'array') {
      compiler.push({ op: 'store', base: reg, offset, size, value: { reg: compiler.argumentReg(value) } })
      return
    }
    const to = compiler.newReg()
    compiler.push({ op: 'alu', operation: 'add', bits: 64, d: to, a: reg, b: { imm: offset } })
    // Text that cannot be read is empty.
    compiler.push({ op: 'store', base: reg, offset, size: 1, value: { imm: 0 } })
    const from = compiler.argumentReg(value)
    compiler.call('probe_read_kernel_str', [{ reg: to }, { imm: size }, { reg: from }])
  }
  put(0, { reg: distance(compiler, site) })
  put(1, { reg: compiler.call('ktime_get_ns', []) })
  put(2, { reg: compiler.call('get_smp_processor_id', []) })
  for (const [i, { argument }] of values.entries()) put(3 + i, argument)
  compiler.call('ringbuf_submit', [{ reg }, { imm: 0 }])
  compiler.jump(end)
  compiler.label(full)
  countLoss(compiler, { name: ring, node })
  compiler.label(end)
}

/** How far a place that logs is from the start of its section. User space identifies it by that. */
function distance(compiler: ExpressionCompiler, site: string): number {
  const [address, start, d] = [compiler.newReg(), compiler.newReg(), compiler.newReg()]
  compiler.push({ op: 'symbol', d: address, kind: 'data', name: site })
  compiler.push({ op: 'symbol', d: start, kind: 'data', name: base })
  compiler.push({ op: 'alu', operation: 'sub', bits: 64, d, a: address, b: { reg: start } })
  return d
}

/** What user space has to know about a place that logs. Returns its name. */
function declareSite(
  compiler: ExpressionCompiler,
  node: ast.TaggedTemplateExpression,
  level: number,
  values: readonly Part[],
  record: CType,
): string {
  const { unit, source } = compiler
  const { file, line } = source.place(node.start ?? 0)
  const texts = node.quasi.quasis.map(({ value }) => (value.cooked ?? '').replaceAll('%', '%%'))
  const format = texts.map((text, i) => text + (values[i]?.format ?? '')).join('')
  const names = node.quasi.expressions.map((value) => compiler.text(value)).join(', ')
  const strings = [file, format, names].map((text) => new TextEncoder().encode(`${text}\0`))
  const [fileType, formatType, namesType] = strings.map(({ length }) => array(char, length))
  const type = struct('', {
    level: u32,
    line: u32,
    file: fileType!,
    format: formatType!,
    values: namesType!,
    record: array(record, 0),
  })
  const value = new Uint8Array(sizeOf(type))
  const view = new DataView(value.buffer)
  view.setUint32(0, level, true)
  view.setUint32(4, line, true)
  let at = 8
  for (const bytes of strings) {
    value.set(bytes, at)
    at += bytes.length
  }
  const name = `${functionAround(compiler, node)}.log_site.${unit.logs.size}`
  unit.logs.set(name, { section, type, value, linkage: 'static' })
  return name
}

function functionAround(compiler: ExpressionCompiler, { start }: ast.Node): string {
  const around = [...compiler.module.functions].find(
    ([, fn]) => (fn.start ?? 0) <= (start ?? 0) && (start ?? 0) < (fn.end ?? 0),
  )
  return around?.[0] ?? compiler.program.name
}

/** The ring of a file that logs, and the counter of what it lost. */
export function logMaps({ logs }: Unit): Record<string, MapDefinition> {
  if (logs.size === 0) return {}
  return {
    [`${ring}_lost`]: { type: 'percpu_array', maxEntries: 1, key: u32, value: u64, weak: true },
    [ring]: { type: 'ringbuf', maxEntries: ringSize, weak: true },
  }
}

export function logGlobals({ logs }: Unit): Record<string, GlobalDefinition> {
  if (logs.size === 0) return {}
  const lowest = new Uint8Array([levels.info, 0, 0, 0])
  return {
    [base]: { section, type: array(char, 8), value: new Uint8Array(8), weak: true },
    ...Object.fromEntries(logs),
    [threshold]: { section: '.data', type: u32, value: lowest, weak: true },
  }
}
