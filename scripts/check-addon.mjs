// Checks a linked addon: it shows Node-API's entry points and nothing else, and takes nothing of libbpf,
// libelf or zlib from outside. Node exports a zlib of its own, so a source file that was forgotten here
// would go unnoticed until Node changes.
import { execFileSync } from 'node:child_process'
import { argv, exit, stderr } from 'node:process'

const addon = argv[2] ?? 'build/Release/libbpf_node.node'
const run = (tool, ...args) => execFileSync(tool, [...args, addon], { encoding: 'utf8', maxBuffer: 1 << 26 })
const symbols = (...args) =>
  run('nm', '-D', ...args)
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).slice(-2))

const entryPoints = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']
const ours =
  /^(_?_?libelf|elf|gelf|eu_|bpf_|btf_|libbpf|ring_buffer_|perf_buffer_|user_ring_buffer_|gz|inflate|deflate|(un)?compress|crc32|adler32|zlib)/

const exported = symbols('--defined-only').map(([, name]) => name.replace(/@.*/, ''))
const required = symbols('--undefined-only').flatMap(([kind, name]) => (kind === 'U' ? name : []))
const versions = required.flatMap((name) => name.match(/@GLIBC_([\d.]+)/)?.[1] ?? [])

// All that comes from glibc and libstdc++ has a version. On musl nothing has one, and the sanitizers take
// functions of libc over without one: there only our own names can be looked for.
const versioned = versions.length > 0 && !required.some((name) => name.startsWith('__asan_'))
const isForeign = (name) =>
  ours.test(name) || (versioned && !name.includes('@') && !/^(napi|node_api|uv)_/.test(name))

const problems = [
  ...exported.filter((name) => !entryPoints.includes(name)).map((name) => `exports ${name}`),
  ...required.filter(isForeign).map((name) => `needs ${name} from outside`),
  ...(run('readelf', '-d').match(/TEXTREL|STATIC_TLS/g) ?? []).map((flag) => `is marked ${flag}`),
]
for (const problem of problems) stderr.write(`${addon} ${problem}\n`)
if (problems.length > 0) exit(1)

const byNumber = (a, b) => a.localeCompare(b, 'en', { numeric: true })
stderr.write(`${addon}: checked; needs glibc ${versions.sort(byNumber).at(-1) ?? '(none)'} or newer\n`)
