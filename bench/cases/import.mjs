import { spawnSync } from 'node:child_process'
import { median, now } from '../measure.mjs'

// Both modules import something, so that the difference is only our package.
const script = (module) => `import '${module}'; process.stdout.write(String(process.memoryUsage.rss()))`
const bare = script('node:process')
const ours = script('libbpf-node')

export const pin = false
export const c = null
export const args = ({ quick }) => [quick ? 5 : 15]
export const metrics = {
  ms: { title: 'import of the package, over bare Node', unit: 'ms', atMost: 15 },
  mb: { title: '  resident memory', unit: 'MB', atMost: 6 },
}

export function trial(_object, rounds) {
  const ms = []
  const mb = []
  for (let i = 0; i < rounds; i++) {
    const [a, b] = [bare, ours].map(start)
    ms.push(b.ms - a.ms)
    mb.push(b.mb - a.mb)
  }
  return { ms: median(ms), mb: median(mb) }
}

function start(source) {
  const begin = now()
  const { stdout, status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return { ms: (now() - begin) / 1e6, mb: Number(stdout) / 1e6 }
}
