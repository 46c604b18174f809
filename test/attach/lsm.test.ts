import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect } from 'vitest'
import { kernelIs, requiresFeature } from '../helpers/kernel.js'
import { useCgroup } from '../helpers/privileged.js'
import { loadOnly } from './surroundings.js'

const cgroup = useCgroup()

/** Opens a UDP socket and closes it again. Returns the error's code if that fails. */
async function open(): Promise<string | undefined> {
  const socket = createSocket('udp4')
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(0, '127.0.0.1', resolve)
    })
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  } finally {
    socket.close()
    await once(socket, 'close')
  }
}

describe('attachLsm', () => {
  requiresFeature('lsm', 'lets the program decide, until the link is closed', async () => {
    using object = loadOnly('attach-kernel', ['on_socket'], (opened) => {
      opened.rodata.wanted = process.pid
    })
    using link = object.program('on_socket').attachLsm()
    expect(await open()).toBeUndefined()
    expect(object.bss.runs).toBeGreaterThan(0n)
    object.bss.refuse = true
    expect(await open()).toBe('EPERM')
    if (kernelIs('5.8')) expect(link.info()).toMatchObject({ type: 'tracing', attachType: 'lsm_mac' })
    link.close()
    expect(await open()).toBeUndefined()
  })

  requiresFeature(
    'lsm',
    'is what a cgroup can have, too',
    () => {
      using object = loadOnly('attach-kernel', ['on_bind'])
      using link = object.program('on_bind').attachCgroup(cgroup())
      const bind = () =>
        execFileSync(
          'sh',
          [
            '-c',
            `echo $$ > ${cgroup()}/cgroup.procs; exec "$0" -e "$1"`,
            process.execPath,
            `const s = require('dgram').createSocket('udp4'); s.on('error', (e) => console.log(e.code)); s.bind(0, '127.0.0.1', () => s.close())`,
          ],
          { encoding: 'utf8' },
        ).trim()
      expect(bind()).toBe('')
      expect(object.bss.runs).toBe(1n)
      object.bss.refuse = true
      expect(bind()).toBe('EPERM')
      expect(link.info()).toMatchObject({ type: 'cgroup', attachType: 'lsm_cgroup' })
    },
    '6.0',
  )
})
