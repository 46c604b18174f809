import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { until } from '../helpers/until.js'

const program = fileURLToPath(
  new URL('../../dist/examples/drop-privileges/drop-privileges.js', import.meta.url),
)

describe('examples/drop-privileges', () => {
  it('reads events when no thread has a capability left', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-drop-'))
    // A name that nothing else on the machine has.
    const command = join(folder, 'after-drop')
    copyFileSync('/bin/true', command)
    execFileSync('chmod', ['+x', command])
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    try {
      await until('it has dropped its privileges', () => output.includes('capabilities'))
      expect(output).toMatch(/^uid 65534, capabilities 0+ 0+ 0+ 0+$/m)
      const tasks = `/proc/${child.pid}/task`
      for (const thread of readdirSync(tasks)) {
        const status = readFileSync(`${tasks}/${thread}/status`, 'utf8')
        expect(status).toMatch(/^CapEff:\s*0+$/m)
        expect(status).toMatch(/^CapPrm:\s*0+$/m)
        expect(status).toMatch(/^Uid:\s*65534\s65534\s65534\s65534$/m)
      }
      await until('an event is printed', () => {
        execFileSync(command)
        return /^\d+ after-drop, program number [1-9]/m.test(output)
      })
    } finally {
      child.kill()
      await new Promise((resolve) => child.on('exit', resolve))
      rmSync(folder, { recursive: true })
    }
  })
})
