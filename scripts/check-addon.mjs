// Checks a linked addon for any machine: what it exports and imports, and which C library it runs with. A prebuilt
// addon, which has to load everywhere, must meet more conditions. CMake calls this after linking, with the path of
// the addon.
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { argv, exit, stderr } from 'node:process'
import { fileURLToPath } from 'node:url'

const entryPoints = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']
const ours =
  /^(_?_?libelf|elf|gelf|eu_|bpf_|btf_|libbpf|ring_buffer_|perf_buffer_|user_ring_buffer_|gz|inflate|deflate|(un)?compress|crc32|adler32|zlib)/
const fromNode = /^(napi_|node_api_|uv_(handle|is_active|close|ref|unref|poll|timer|idle)(_|$))/

// The libraries that a prebuilt addon may need. Before glibc 2.34, threads and dlopen were in separate libraries.
const libraries = {
  glibc: /^(lib(c|m|dl|pthread)\.so\.\d|ld-linux-(x86-64|aarch64)\.so\.\d)$/,
  musl: /^libc\.so$/,
}
const newestGlibc = '2.28' // Debian 10, RHEL 8; Node.js itself needs it
const largest = 1.2e6

const byNumber = (a, b) => a.localeCompare(b, 'en', { numeric: true })

/** Reads a file with readelf, which works for every architecture, unlike nm. */
function read(file) {
  const readelf = (...args) =>
    execFileSync('readelf', ['-W', ...args, file], { encoding: 'utf8', maxBuffer: 1 << 28 })
  const symbols = [...readelf('--dyn-syms').matchAll(/^ *\d+: (.+)$/gm)]
    .map(([, line]) => line.split(/\s+/))
    .filter(([, , , , , , name]) => name)
    .map(([, , type, bind, , section, name]) => ({ type, bind, section, name: name.replace('@@', '@') }))
  const required = symbols.filter(({ section }) => section === 'UND')
  const dynamic = readelf('--dynamic')
  return {
    machine: readelf('--file-header').match(/Machine: +(.+)/)[1],
    exported: symbols.filter(({ section }) => section !== 'UND').map(({ name }) => name.replace(/@.*/, '')),
    required: required.filter(({ bind }) => bind !== 'WEAK').map(({ name }) => name),
    glibc: required.flatMap(({ name }) => name.match(/@GLIBC_([\d.]+)/)?.[1] ?? []).sort(byNumber),
    libraries: [...dynamic.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name),
    flags: dynamic.match(/TEXTREL|STATIC_TLS|RPATH|RUNPATH/g) ?? [],
    segments: readelf('--program-headers'),
    relocations: readelf('--relocs'),
    sections: readelf('--section-headers'),
  }
}

/** Returns the problems that no addon may have. */
function problemsOf(elf) {
  // Symbols of glibc and libstdc++ have versions. On musl they have none, and the sanitizers replace functions of
  // libc with unversioned ones. In these cases we can only look for our own names.
  const versioned = elf.glibc.length > 0 && !elf.required.some((name) => name.startsWith('__asan_'))
  const isForeign = (name) => ours.test(name) || (versioned && !name.includes('@') && !fromNode.test(name))
  return [
    ...elf.exported.filter((name) => !entryPoints.includes(name)).map((name) => `exports ${name}`),
    ...entryPoints.filter((name) => !elf.exported.includes(name)).map((name) => `does not export ${name}`),
    ...elf.required.filter(isForeign).map((name) => `needs ${name} from outside`),
    ...elf.flags.map((flag) => `is marked ${flag}`),
  ]
}

/** Returns the problems that an addon may not have if it is shipped. */
function shippedProblems(file, elf, libc) {
  const { size } = statSync(file)
  // Thread-local variables that the loader places have one of these relocations. A variable without one is at a fixed
  // offset from the thread pointer (local-exec), which only works in the main program.
  const hasTls = / TLS +0x/.test(elf.segments)
  const reachesTls = /DTPMOD64|TLSDESC/.test(elf.relocations)
  const allowed = libcSymbols[libc]
  return [
    ...elf.libraries.filter((name) => !libraries[libc].test(name)).map((name) => `needs the library ${name}`),
    ...elf.required
      .filter((name) => !fromNode.test(name) && !allowed(name))
      .map((name) => `needs ${name}, which is not known to be in ${libc}`),
    ...elf.glibc
      .filter((version) => byNumber(version, newestGlibc) > 0)
      .map((version) => `needs glibc ${version}, newer than ${newestGlibc}`),
    ...(/R_(X86_64|AARCH64)_(TPOFF|TLS_TPREL)/.test(elf.relocations)
      ? ['has thread-local variables at offsets of the program (initial-exec)']
      : []),
    ...(hasTls && !reachesTls ? ['has thread-local variables at offsets of the program (local-exec)'] : []),
    ...(/GNU_STACK.* RWE /.test(elf.segments) || !/GNU_STACK/.test(elf.segments)
      ? ['wants an executable stack']
      : []),
    ...(/ RWE /.test(elf.segments) ? ['has a segment that is writable and executable'] : []),
    ...(/\.(debug_|symtab)/.test(elf.sections) ? ['is not stripped'] : []),
    ...(size > largest ? [`has ${size} bytes, more than ${largest}`] : []),
  ]
}

// glibc's symbol versions tell what it has; for musl, this lists every symbol that we use.
const muslSymbols = new Set(
  `__errno_location __tls_get_addr abort access aligned_alloc atol basename bcmp bind bsearch
  calloc ceilf clock_gettime close dgettext dirname dl_iterate_phdr dladdr epoll_create1 epoll_ctl
  epoll_wait eventfd faccessat fchmod fclose fcntl feof fflush fgets fmemopen fopen fprintf fputc
  fread free fscanf fseek fstat ftell ftruncate fwrite getenv geteuid getpagesize getpid getrlimit
  getsockname htons if_nametoindex ioctl isalnum isblank lseek malloc memccpy memchr memcpy
  memfd_create memmove memrchr memset mkdir mmap mremap msync munmap open posix_fallocate
  posix_memalign pread process_vm_readv process_vm_writev pthread_create pthread_join
  pthread_mutex_destroy pthread_mutex_lock pthread_mutex_unlock pthread_once pthread_rwlock_destroy
  pthread_rwlock_init pthread_rwlock_rdlock pthread_rwlock_unlock pthread_rwlock_wrlock
  pthread_self pthread_setname_np pwrite qsort read readlink realloc realpath recvmsg send
  setrlimit setsockopt snprintf socket sprintf sscanf stat statfs stderr strcasecmp strchr strcmp strcpy
  strdup strerror strerror_r strlen strncmp strndup strnlen strpbrk strrchr strstr strtol strtoull
  syscall sysconf tdestroy time trunc uname unlink vasprintf vfprintf vsnprintf write`.split(/\s+/),
)
const libcSymbols = {
  glibc: (name) => /@GLIBC_/.test(name) || name === '__tls_get_addr',
  musl: (name) => muslSymbols.has(name),
}

/** Returns the problems of an addon, and a summary of what it needs. */
export function checkAddon(file, { libc } = {}) {
  const elf = read(file)
  const problems = [...problemsOf(elf), ...(libc ? shippedProblems(file, elf, libc) : [])]
  const newest = elf.glibc.at(-1)
  const needs = newest ? `glibc ${newest} or newer` : 'a C library without versions (musl)'
  return { problems, machine: elf.machine, summary: `needs ${needs}` }
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const addon = argv[2] ?? 'build/Release/libbpf_node.node'
  const { problems, summary } = checkAddon(addon)
  for (const problem of problems) stderr.write(`${addon} ${problem}\n`)
  if (problems.length > 0) exit(1)
  stderr.write(`${addon}: checked; ${summary}\n`)
}
