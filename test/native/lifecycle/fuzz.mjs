// Calls the functions of types/binding.d.ts with right and wrong arguments of every kind: `node fuzz.mjs SEED CALLS`.
// It ends with status 0, or with the crash that it looks for, which the seed repeats. Every call is written to the
// file in FUZZ_TRACE before it is made.
import { spawnSync } from 'node:child_process'
import { openSync, readdirSync, readFileSync, statfsSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const native = createRequire(import.meta.url)('node-gyp-build')(root)
const [seed = '1', calls = '20000'] = process.argv.slice(-2)

// It attaches to all network devices and pins to any path, for which libbpf creates directories. So it runs in
// namespaces of its own, where paths lead to a file system that has nothing but pins, as does the path where libbpf pins
// maps by their names.
const bpffs = 0xcafe4a11
if (statfsSync('.').type !== bpffs) {
  const command = 'mount -t bpf bpf /sys/fs/bpf && mount -t bpf bpf /mnt && cd /mnt && exec "$@"'
  const again = [process.execPath, '--expose-gc', fileURLToPath(import.meta.url), seed, calls]
  const { status, signal } = spawnSync('unshare', ['--net', '--mount', 'sh', '-c', command, 'sh', ...again], {
    stdio: 'inherit',
  })
  if (signal) process.kill(process.pid, signal)
  process.exit(status ?? 1)
}

// mulberry32
let state = Number(seed) >>> 0
function random() {
  state = (state + 0x6d2b79f5) >>> 0
  let t = Math.imul(state ^ (state >>> 15), state | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}
const below = (n) => Math.floor(random() * n)
const oneOf = (list) => list[below(list.length)]

const folder = `${root}/dist/test/bpf`
// The verifier needs seconds for slow.bpf.o; the bad ones do not load, or need all memory.
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.bpf.o') && !/^(bad-|slow)/.test(name))
  .map((name) => `${folder}/${name}`)
const contents = files.map((path) => new Uint8Array(readFileSync(path)))

const detached = new Uint8Array(16)
structuredClone(detached.buffer, { transfer: [detached.buffer] })

const noted = []
/**
 * Handles of all kinds. Some become stale when functions that close are called; new ones replace old ones all the
 * time.
 */
const handles = {
  object: [],
  program: [],
  map: [],
  link: [],
  source: [],
  recorder: [],
  userRing: [],
  btf: [],
  linker: [],
  umem: [],
  xsk: [],
  memory: [],
  longLog: [],
}
const most = 12
function keep(kind, handle) {
  const kept = handles[kind]
  if (kept.length < most) kept.push(handle)
  else kept[below(most)] = handle
}

function openOne() {
  const i = below(files.length)
  const object = native.objectOpen(
    random() < 0.5 ? files[i] : contents[i],
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    false,
    below(3),
    random() < 0.2 ? 65536 : 0,
  )
  keep('object', object)
  for (const program of native.objectPrograms(object)) keep('program', program)
  for (const map of native.objectMaps(object)) keep('map', map)
  return object
}

/** Makers of handles that need several calls in the right order. */
const makers = [
  openOne,
  () => native.objectLoadSync(openOne()),
  () => {
    const object = openOne()
    native.objectPrepareSync(object)
    for (const map of native.objectMaps(object)) if (random() < 0.5) keep('map', map)
  },
  () => {
    // A load that fails halfway, after the memory of sections was mapped.
    const object = openOne()
    for (const map of native.objectMaps(object)) {
      if (random() < 0.3 && !native.mapIsInternal(map)) native.mapSetKeySize(map, 3)
    }
    native.objectLoadSync(object)
  },
  () => {
    const object = openOne()
    native.objectLoadSync(object)
    for (const program of native.objectPrograms(object)) {
      const link = native.programAttach(program)
      if (link !== undefined) keep('link', link)
    }
  },
  () => {
    const object = openOne()
    native.objectLoadSync(object)
    for (const map of native.objectMaps(object)) {
      const type = native.mapType(map)
      if (type === 4 && random() < 0.3) keep('recorder', native.perfRecorderNew(map, 0, 1))
      if (type === 31 && random() < 0.3) keep('userRing', native.userRingBufferNew(map))
      if (type !== 27) continue
      const ring = native.ringBufferNew(map, oneOf([() => {}, (n) => n, gone]))
      native.sourceSetSlab(ring, new Uint8Array(oneOf([8, 64, 4096])))
      if (random() < 0.5) native.sourceWatch(ring, below(2) * below(5), random() < 0.5)
      keep('source', ring)
    }
    for (const program of native.objectPrograms(object)) {
      if (native.programType(program) === 31)
        native.programTestRunSync(program, undefined, 0, undefined, 0, 0, 0, 0, 0)
    }
  },
  () => {
    const [type, keySize, valueSize] = oneOf([
      [2, 4, 5],
      [33, 0, 0],
    ])
    const map = native.mapCreate(
      type,
      'mapped',
      keySize,
      valueSize,
      1 + below(9),
      1 << 10,
      0n,
      0,
      0,
      0,
      -1,
      0,
      0,
      -1,
      undefined,
      false,
    )
    keep('map', map)
    keep('memory', native.mapMmap(map, random() < 0.5))
  },
  () => {
    for (const map of handles.map) {
      if (random() > 0.3) continue
      const info = native.mapInfo(map)
      native.mapBind(map, new Uint8Array(info.keySize), new Uint8Array(native.mapValueBytes(map)))
    }
  },
]
function gone() {
  throw new Error('thrown by a callback')
}

const integers = [0, 1, 2, 3, 4, 7, 8, 16, 24, 64, 255, 4096]
const huge = [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]
const wrongNumbers = [-1, -(2 ** 31), 2 ** 32, 2 ** 53, 2 ** 64, 1e300, -0, 0.5, NaN, Infinity, -Infinity]
// No file with one of these paths may exist or be created: some functions unlink it.
const strings = [
  '',
  'x',
  'y/x',
  '/proc/nothing/fuzz',
  '/proc/self/nothing',
  'a\0b',
  '\ud800',
  'x'.repeat(5000),
  '%s%n%d',
  '/proc/../proc/nothing',
  'CONFIG_HZ=1',
  'CONFIG_=\n=y',
  'syscall',
]
const resizable = new Uint8Array(new ArrayBuffer(16, { maxByteLength: 32 }))
const bytes = () =>
  oneOf([
    new Uint8Array(0),
    new Uint8Array(below(70)),
    new Uint8Array(4),
    new Uint8Array(8),
    new Uint8Array(4096),
    Uint8Array.from({ length: 64 }, () => below(256)),
    detached,
    resizable,
    new Uint8Array(new SharedArrayBuffer(32)),
    new Uint8Array(64).subarray(5, 20),
    oneOf(contents),
    oneOf(contents).slice(0, below(3000)),
    Buffer.from('text'),
  ])
const wrong = () =>
  oneOf([
    undefined,
    null,
    true,
    Symbol('x'),
    {},
    [],
    () => {},
    new Date(),
    new Proxy(new Uint8Array(8), {}),
    new Float64Array(4),
    new DataView(new ArrayBuffer(8)),
    new ArrayBuffer(8),
    Object.create(native.objectOpen),
    native,
    1n,
    -1n,
    2n ** 64n,
  ])
const kinds = {
  object: () => oneOf(handles.object),
  program: () => oneOf(handles.program),
  maybeProgram: () => (random() < 0.5 ? undefined : oneOf(handles.program)),
  map: () => oneOf(handles.map),
  link: () => oneOf(handles.link),
  source: () => oneOf(handles.source),
  recorder: () => oneOf(handles.recorder),
  userRing: () => oneOf(handles.userRing),
  btf: () => oneOf(handles.btf),
  linker: () => oneOf(handles.linker),
  umem: () => oneOf(handles.umem),
  xsk: () => oneOf(handles.xsk),
  memory: () => oneOf(handles.memory),
  longLog: () => oneOf(handles.longLog),
  // It can be called as long as the environment lives.
  callback: () => oneOf([() => {}, () => {}, gone]),
  small: () => oneOf(integers),
  integer: () => oneOf(random() < 0.7 ? integers : huge),
  string: () => oneOf(strings),
  text: () => oneOf([undefined, ...strings]),
  bigint: () => oneOf([0n, 1n, 2n ** 64n - 1n]),
  boolean: () => random() < 0.5,
  bytes,
  maybeBytes: () => (random() < 0.3 ? undefined : bytes()),
  ids: () =>
    oneOf([undefined, new Uint32Array(0), Uint32Array.from([1, 2, 3]), Uint32Array.from([0, 2 ** 32 - 1])]),
  numbers: () =>
    oneOf([new Uint32Array(1), Uint32Array.from([4]), Uint32Array.from([2 ** 32 - 1]), new Uint32Array(0)]),
  maybeBtf: () => (random() < 0.5 ? undefined : oneOf(handles.btf)),
  strangersId: () => oneOf([2 ** 31, 2 ** 32 - 1]),
  links: () =>
    oneOf([[], [oneOf(handles.link)], handles.link.slice(0, below(4)), [oneOf(handles.map)], [undefined]]),
  btfs: () =>
    oneOf([[], [oneOf(handles.btf)], handles.btf.slice(0, below(4)), [oneOf(handles.map)], [undefined]]),
  texts: () => oneOf([undefined, [], ['x'], [oneOf(strings), oneOf(strings)], [undefined], [1, 'x']]),
  bigints: () =>
    oneOf([undefined, new BigUint64Array(0), BigUint64Array.of(1n), BigUint64Array.of(1n, 2n ** 64n - 1n)]),
  maybeFile: () => oneOf([undefined, oneOf(strings), bytes()]),
  file: () => (random() < 0.5 ? oneOf(strings) : bytes()),
}
/** Any value. Numbers are small enough not to use up the memory or take minutes. */
const anything = () =>
  oneOf([
    ...Object.values(handles).map((kept) => () => oneOf(kept)),
    () => oneOf(integers),
    () => oneOf(wrongNumbers),
    () => oneOf(strings),
    bytes,
    wrong,
    wrong,
  ])()

// ---- The contract says what a function accepts and returns.

const contract = readdirSync(`${root}/types/binding`)
  .map((file) => readFileSync(`${root}/types/binding/${file}`, 'utf8'))
  .join('\n')
/** The generator for a parameter's type, unless its name is in `special`. */
const generators = {
  ObjectHandle: 'object',
  ProgramHandle: 'program',
  MapHandle: 'map',
  LinkHandle: 'link',
  SourceHandle: 'source',
  PerfRecorderHandle: 'recorder',
  UserRingBufferHandle: 'userRing',
  OnReady: 'callback',
  BtfHandle: 'btf',
  LinkerHandle: 'linker',
  UmemHandle: 'umem',
  XskHandle: 'xsk',
  LongLogHandle: 'longLog',
  MemoryHandle: 'memory',
  'BtfHandle | undefined': 'maybeBtf',
  'ProgramHandle | undefined': 'maybeProgram',
  number: 'integer',
  'LogLevel | -1': 'small',
  string: 'string',
  'string | undefined': 'text',
  'string | Uint8Array': 'file',
  'string | Uint8Array | undefined': 'maybeFile',
  boolean: 'boolean',
  bigint: 'bigint',
  Uint8Array: 'bytes',
  'Uint8Array | undefined': 'maybeBytes',
  Uint32Array: 'numbers',
  'Uint32Array | undefined': 'ids',
  'LinkHandle[]': 'links',
  'BtfHandle[]': 'btfs',
  'string[] | undefined': 'texts',
  'BigUint64Array | undefined': 'bigints',
}
/** Parameters that could use up memory or minutes, or affect what is not ours. */
const special = {
  maxEntries: 'small',
  entries: 'small',
  bytes: 'small',
  dataOutSize: 'small',
  contextOutSize: 'small',
  repeat: 'small',
  pages: 'small',
  room: 'small',
  blocks: 'small',
  'mapFromId id': 'strangersId',
}
function signatureOf(name) {
  const [, text = '', result = ''] =
    new RegExp(`^  ${name}\\(((?:[^()]|\\([^()]*\\))*)\\): (.*)$`, 'm').exec(contract) ?? []
  const tuple = /\.\.\.args: (\w+)/.exec(text)?.[1]
  const list = tuple
    ? new RegExp(`${tuple} = \\[\n([\\s\\S]*?)\n\\]`)
        .exec(contract)[1]
        .replace(/\/\*\*.*\*\//g, '')
        .split('\n')
    : text.includes('=>') && !text.includes('\n')
      ? text.split(/, (?=\w+: \()/)
      : text.includes('\n')
        ? text.split('\n')
        : text.split(', ')
  const wanted = list
    .map((line) => line.trim().replace(/,$/, ''))
    .filter((line) => line !== '')
    .map((line) => {
      const [, parameter, type] = /^(\w+)\??: (.*)$/.exec(line)
      const byName =
        typeof special[parameter] === 'string' && type === 'number' ? special[parameter] : undefined
      const kind =
        special[`${name} ${parameter}`] ?? byName ?? (type.includes('=>') ? 'callback' : generators[type])
      if (kind === undefined) throw new Error(`${name}: no values for ${line}`)
      return kind
    })
  return { wanted, gives: generators[result.split(' ')[0]] }
}
const names = Object.keys(native)
const signatures = new Map(names.map((name) => [name, signatureOf(name)]))

// These take ids of other people's maps, or expensive numbers: they never get arbitrary values.
const careful = new Set([
  'mapFromId',
  'mapCreate',
  'mapSetMaxEntries',
  'perfBufferNew',
  'perfRecorderNew',
  'packetSocketNew',
  'programTestRun',
  'programTestRunSync',
])
// Without this, half of all calls would close something. A handle must live for a while to be useful.
const rare = new Set([
  ...Object.keys(native).filter((name) => /Close$|Unload$/.test(name)),
  'btfLoadKernel',
  'initialize',
])

const trace = process.env.FUZZ_TRACE ? openSync(process.env.FUZZ_TRACE, 'w') : undefined
const pending = new Set()
const tally = { done: 0, refused: 0 }

function attempt(name, gives, args) {
  if (trace !== undefined) {
    const shown = args.map((a) =>
      ArrayBuffer.isView(a)
        ? `${a.constructor.name}(${a.byteLength})`
        : typeof a === 'object' || typeof a === 'function'
          ? (kindOf(a) ?? typeof a)
          : String(a).slice(0, 40),
    )
    writeSync(trace, `${name}(${shown.join(', ')})\n`)
  }
  try {
    const result = native[name](...args)
    tally.done++
    if (result instanceof Promise) {
      pending.add(result)
      result.then(noteResult, noteError).finally(() => pending.delete(result))
    } else if (result !== undefined && gives in handles) keep(gives, result)
  } catch (error) {
    noteError(error)
  }
}
function kindOf(value) {
  for (const [kind, kept] of Object.entries(handles))
    if (kept.includes(value)) return `${kind}#${kept.indexOf(value)}`
  return undefined
}
function noteResult() {}
function noteError(error) {
  tally.refused++
  if (error?.longLog !== undefined) keep('longLog', error.longLog)
  if (!(error instanceof Error) || error.message === '') noted.push(error)
}

let uncaught = 0
process.on('uncaughtException', (error) => {
  if (error?.message === 'thrown by a callback' || error?.code === 'ERR_BPF_STATE') uncaught++
  else {
    noted.push(error)
    console.error(error)
    process.exitCode = 1
  }
})

for (let i = 0; i < Number(calls); i++) {
  if (i % 12 === 0) {
    try {
      if (trace !== undefined) writeSync(trace, `-- make\n`)
      oneOf(makers)()
    } catch (error) {
      noteError(error)
    }
  }
  const name = oneOf(names)
  if (rare.has(name) && random() < 0.9) continue
  const { wanted, gives } = signatures.get(name)
  const isWild = random() < 0.3 && !careful.has(name)
  const args = wanted.map((kind) => (isWild && random() < 0.5 ? anything() : kinds[kind]()))
  if (isWild && random() < 0.1) args.length = below(args.length + 1)
  attempt(name, gives, args)
  if (i % 50 === 0) await sleep(0)
  if (i % 1000 === 0) globalThis.gc?.()
  if (pending.size > 3) await Promise.allSettled([...pending])
}
await Promise.allSettled([...pending])
if (noted.length > 0) {
  console.error('not an Error with a message:', noted.slice(0, 5))
  process.exitCode = 1
}
console.log(JSON.stringify({ seed: Number(seed), ...tally, uncaught }))
// Watched rings would keep the process alive. Ending with everything open is part of the test.
process.exit()
