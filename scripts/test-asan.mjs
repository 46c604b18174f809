// Runs the test suite, or the given test files, with an addon that was built with AddressSanitizer and
// UndefinedBehaviorSanitizer, including its libbpf, libelf and zlib. First, LeakSanitizer checks a process that has
// used one of everything.
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Failure, root, run, say, settings } from './run.mjs'

const folder = join(root, 'build/asan')
const lists = join(root, 'test/sanitizers')

/**
 * The run-time libraries, which must come first, and libstdc++, because the interceptor of exceptions needs it at once.
 */
async function libraries() {
  const names = ['libasan.so', 'libubsan.so', 'libstdc++.so']
  const paths = await Promise.all(names.map((name) => run('c++', [`-print-file-name=${name}`])))
  return paths.map((path) => path.trim()).join(':')
}

const options = {
  // Tests load two copies of the addon into one process on purpose.
  ASAN_OPTIONS: 'detect_leaks=0:detect_odr_violation=0',
  LSAN_OPTIONS: `suppressions=${lists}/leaks.txt:print_suppressions=0`,
  UBSAN_OPTIONS: `suppressions=${lists}/undefined.txt:halt_on_error=1:print_stacktrace=1`,
}

try {
  process.chdir(root)
  const jobs = String(availableParallelism())
  say('asan: building the addon')
  await run(process.execPath, [
    ...['node_modules/cmake-js/bin/cmake-js', 'build', '--out', join(folder, 'build')],
    ...['--CDLIBBPF_NODE_SANITIZE=ON', '--log-level', 'error', '--parallel', jobs],
  ])
  const env = {
    LIBBPF_NODE_SLOWNESS: '4',
    ...process.env,
    ...options,
    LIBBPF_NODE_PREBUILD: folder,
    LD_PRELOAD: await libraries(),
  }
  settings.verbose = true
  const leaks = { ...env, ASAN_OPTIONS: 'detect_leaks=1' }
  await run(process.execPath, ['test/sanitizers/leaks.mjs'], { env: leaks })
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--test-timeout', '120000']
  await run(process.execPath, [...vitest, ...process.argv.slice(2)], { env })
} catch (error) {
  say(`asan: failed\n${error instanceof Failure ? error.message : error.stack}`)
  process.exitCode = 1
}
