// Writes lib/compiler/language/helpers.ts and contexts.ts: the helpers, and the contexts of programs, as editors and tsc
// see them. Run it after helper-table.mjs, or when a line of documentation has changed. The contexts are read from the
// running kernel's BTF.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { documentation, prototypes } from './helper-docs.mjs'
import { root, run } from './run.mjs'

await run(process.execPath, [
  'node_modules/typescript/bin/tsc',
  '-p',
  'tsconfig.json',
  '--outDir',
  'build/words',
  '--declaration',
  'false',
  '--noCheck',
])
const own = (path) => import(join(root, 'build/words/lib/compiler', path))
const { callNames, instead, signatureOf } = await own('helpers/signature.js')
const { sinceOf } = await own('helpers/since.js')
const { isGplOnly } = await own('helpers/allowed.js')

const camel = (name) => name.replace(/_([a-z0-9])/g, (_, c) => c.toUpperCase())

function typeOf(parameter) {
  switch (parameter.kind) {
    case 'number':
      return parameter.type.name
    case 'map':
      return 'AnyMap'
    case 'address':
      return 'number | Kernel | object | TextPointer'
    case 'kernel':
      return 'Kernel | object'
    case 'function':
      return 'never'
    default:
      return 'Memory'
  }
}

function resultOf({ returns }) {
  if (returns.kind === 'number') return returns.type.name
  if (returns.kind === 'kernel') return `${structNamed(returns.record)} | null`
  return returns.kind === 'void' ? 'void' : 'never'
}

/** The structs that the kernel shows to programs, by the names that they have in TypeScript. */
const shown = {
  __sk_buff: 'SkBuff',
  xdp_md: 'XdpFrame',
  bpf_sock: 'Socket',
  bpf_tcp_sock: 'TcpSocket',
  bpf_sock_addr: 'SocketAddress',
  bpf_sock_ops: 'SocketOps',
  sk_msg_md: 'SocketMessage',
  bpf_sk_lookup: 'SocketLookup',
  sk_reuseport_md: 'ReuseportPacket',
  bpf_sysctl: 'Sysctl',
  bpf_cgroup_dev_ctx: 'DeviceAccess',
  bpf_sockopt: 'SocketOption',
  bpf_perf_event_data: 'PerfSample',
  bpf_nf_ctx: 'NetfilterContext',
  bpf_flow_keys: 'FlowKeys',
}

const structNamed = (name) => shown[name] ?? `Struct<'${name}'>`

const entries = []
for (const name of callNames()) {
  const signature = signatureOf(name)
  const isOther = Object.hasOwn(instead, name) || signature.returns.kind === 'pointer'
  if (isOther || signature.parameters.some(({ kind }) => kind === 'function')) continue
  const parameters = signature.parameters
    .filter(({ kind }) => kind !== 'context')
    .map((parameter) => `${camel(parameter.name)}: ${typeOf(parameter)}`)
  const prototype =
    prototypes[name] ??
    `(${parameters.join(', ')}): ${name === 'getCurrentTaskBtf' ? "Struct<'task_struct'>" : resultOf(signature)}`
  const notes = [`Linux ${sinceOf(signature.number)}`, ...(isGplOnly(signature.number) ? ['GPL'] : [])]
  const text = documentation[name]
  entries.push(`  /** ${text ? `${text} ` : ''}(${notes.join(', ')}) */\n  ${name}${prototype}`)
}

writeFileSync(
  join(root, 'lib/compiler/language/helpers.ts'),
  `// Written by scripts/kernel-words.mjs. Do not edit: the words are in scripts/helper-docs.mjs.
import type { Socket, TcpSocket } from './contexts.js'
import type { Dynptr } from './dynptrs.js'
import type { Struct } from './kernel.js'
import type { AnyMap } from './maps.js'
import type { be16, char, Kernel, Memory, s32, s64, TextPointer, UserPointer, u16, u32, u64 } from './types.js'
import { onlyInTheKernel } from './word.js'

/**
 * The helpers: functions of the kernel that programs may call. The program's context is passed without being named, and
 * so is the size of what you name.
 */
export interface Helpers {
${entries.join('\n')}
  /** The checksum of a header in memory, as IP, TCP and UDP have it. Its own checksum field has to be 0. */
  checksum(header: object): u16
  /** The checksum after a number of 16 or 32 bits in the data that it covers has changed. */
  updateChecksum(checksum: number, from: number, to: number): u16
}

/** The helpers. */
export const bpf: Helpers = new Proxy({} as Helpers, {
  get: (_, name) => () => onlyInTheKernel(\`bpf.\${String(name)}\`),
})
`,
)

const { BtfTypes } = await own('../btf/parse.js')
const { networkOrder } = await own('contexts.js')
const { writableSomewhere } = await own('hooks/writable.js')
const btf = new BtfTypes(readFileSync('/sys/kernel/btf/vmlinux'))

function* membersOf(record) {
  for (const member of record.members) {
    if (member.name !== '') yield member
    else yield* membersOf(btf.resolve(member.typeId))
  }
}

function wordFor(record, { name, typeId }) {
  const type = btf.resolve(typeId)
  const order = networkOrder[`${record.name}.${name}`]?.name ?? beOf(typeId)
  switch (type.kind) {
    case 'int':
      return order ?? `${type.signed ? 's' : 'u'}${type.size * 8}`
    case 'array':
      return `array<${wordFor(record, { name, typeId: type.typeId })}, ${type.length}>`
    case 'ptr': {
      const to = btf.resolve(type.typeId)
      if (to.kind !== 'struct' && to.kind !== 'union') return 'u64'
      const own = structNamed(to.name)
      return ['flow_keys', 'meta', 'state', 'skb'].includes(name) ? own : `${own} | null`
    }
    default:
      return 'Kernel'
  }
}

function beOf(typeId) {
  for (let type = btf.type(typeId); type.kind === 'typedef'; type = btf.type(type.typeId))
    if (/^__be(16|32|64)$/.test(type.name)) return type.name.slice(2)
  return undefined
}

const edges = /^(data|data_end|data_meta|optval|optval_end|skb_data|skb_data_end)$/
const texts = Object.entries(shown).flatMap(([name, word]) => {
  const record = btf.find(name, 'struct')
  if (record === undefined) return []
  const lines = [...membersOf(record)]
    .filter((member) => !edges.test(member.name))
    .map((member) => {
      const isWritable = name === 'bpf_flow_keys' || writableSomewhere[name]?.includes(member.name)
      return `  ${isWritable ? '' : 'readonly '}${member.name}: ${wordFor(record, member)}`
    })
  return `/** The kernel's struct ${name}. */\nexport interface ${word} {\n${lines.join('\n')}\n}\n`
})
writeFileSync(
  join(root, 'lib/compiler/language/contexts.ts'),
  `// Written by scripts/kernel-words.mjs from the BTF of Linux. Do not edit.
import type { Struct } from './kernel.js'
import type { array } from './maps.js'
import type { be16, be32, Kernel, s32, u8, u16, u32, u64 } from './types.js'

${texts.join('\n')}`,
)
await run(join(root, 'node_modules/.bin/biome'), ['check', '--write', 'lib/compiler/language'])
