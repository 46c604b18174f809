import { tracePipe } from 'libbpf-node'
import { beforeAll, describe, expect, it } from 'vitest'
import { asNobody, copyForEveryone, runChild } from '../helpers/child.js'
import { load } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'
import { slowness } from '../helpers/slowness.js'
import { upTo } from './rings.js'

const packet = new Uint8Array(64)

describe('tracePipe', () => {
  useTracefs()

  // The kernel turns printing on when a program that prints is first loaded. Newer kernels do so a little later, and
  // lines before that are lost.
  beforeAll(async () => {
    using object = load('events-trace')
    const timer = setInterval(() => object.program('print').testRunSync({ data: packet }), 50)
    for await (const line of tracePipe()) if (line.includes('libbpf-node 0: line ')) break
    clearInterval(timer)
  }, 30_000 * slowness)

  /** Prints lines and returns those that arrive. */
  async function printed(test: number, count: number): Promise<string[]> {
    using object = load('events-trace')
    object.bss.test = test
    object.program('print').testRunSync({ data: packet, repeat: count })
    const ours: string[] = []
    // If a line is missing, the pipe must not stay in use for the next test.
    for await (const line of tracePipe({ signal: AbortSignal.timeout(20_000 * slowness) })) {
      const [, text] = /bpf_trace_printk: (libbpf-node .*)$/.exec(line) ?? []
      // Other programs on this machine may print, too.
      if (text?.startsWith(`libbpf-node ${test}:`)) ours.push(text)
      if (ours.length === count) break
    }
    return ours
  }

  it('yields the lines that programs print', async () => {
    const test = process.pid
    expect(await printed(test, 3)).toEqual(upTo(3).map((i) => `libbpf-node ${test}: line ${i}`))
  })

  it('yields each line complete and once, although it reads them in pieces', async () => {
    const test = process.pid + 10_000_000
    // A read returns a page at most, and the kernel's buffer is small by default.
    expect(await printed(test, 75)).toEqual(upTo(75).map((i) => `libbpf-node ${test}: line ${i}`))
  })

  it('waits for lines that are printed later', async () => {
    using object = load('events-trace')
    const test = process.pid + 20_000_000
    object.bss.test = test
    const lines = tracePipe({ signal: AbortSignal.timeout(20_000 * slowness) })
    const found = (async () => {
      for await (const line of lines) if (line.includes(`libbpf-node ${test}:`)) return line
      return undefined
    })()
    setTimeout(() => object.program('print').testRunSync({ data: packet }), 50)
    expect(await found).toMatch(/line 0$/)
  })

  it('ends when the signal is aborted', async () => {
    const controller = new AbortController()
    const lines = tracePipe({ signal: controller.signal })
    setTimeout(() => controller.abort(), 30)
    let result = await lines.next()
    while (result.done !== true) result = await lines.next()
    expect(result.value).toBeUndefined()
    const over = tracePipe({ signal: controller.signal })
    expect(await over.next()).toEqual({ done: true, value: undefined })
  })

  it('ends at once when the signal is aborted, although there are more lines', async () => {
    using object = load('events-trace')
    object.bss.test = 1
    object.program('print').testRunSync({ data: packet, repeat: 20 })
    const controller = new AbortController()
    let count = 0
    for await (const _ of tracePipe({ signal: controller.signal })) {
      count++
      controller.abort()
    }
    expect(count).toBe(1)
  })

  it('throws EBUSY if there is another reader', async () => {
    const controller = new AbortController()
    const one = tracePipe({ signal: controller.signal })
    const waiting = (async () => {
      for await (const _ of one);
    })()
    const error = await tracePipe()
      .next()
      .catch((error: unknown) => error)
    controller.abort()
    await waiting
    expect(error).toMatchObject({
      name: 'BpfError',
      code: 'EBUSY',
      errno: 16,
      message: 'read the trace pipe: it is being read already, and can have only one reader (EBUSY)',
    })
  })

  it('closes its descriptor', async () => {
    const child = await runChild(`
      import { readdirSync, readlinkSync } from 'node:fs'
      import { tracePipe } from 'libbpf-node'
      const open = () => readdirSync('/proc/self/fd').filter((fd) => {
        try { return readlinkSync('/proc/self/fd/' + fd).endsWith('trace_pipe') } catch { return false }
      }).length
      const controller = new AbortController()
      const lines = tracePipe({ signal: controller.signal })
      const next = lines.next()
      console.log(open())
      controller.abort()
      await next
      await lines.return()
      console.log(open())
    `)
    expect(child).toMatchObject({ status: 0, stdout: '1\n0\n', stderr: '' })
  })
})

const readOne = `
  import { tracePipe } from 'libbpf-node'
  try {
    await tracePipe().next()
  } catch ({ name, code, message }) {
    console.log(JSON.stringify({ name, code, message }))
  }
`

describe('without tracefs', () => {
  it('says how to mount it', async () => {
    const child = await runChild(
      `import { spawnSync } from 'node:child_process'
       for (const path of ['/sys/kernel/tracing', '/sys/kernel/debug']) spawnSync('umount', ['-l', path])
       ${readOne}`,
      [],
      { under: ['unshare', '-m'] },
    )
    expect(child.stderr).toBe('')
    expect(JSON.parse(child.stdout)).toEqual({
      name: 'BpfError',
      code: 'ENOENT',
      message:
        "read the trace pipe: tracefs is not mounted; 'mount -t tracefs tracefs /sys/kernel/tracing' mounts it (ENOENT)",
    })
  })
})

describe('without the right to read it', () => {
  useTracefs()

  it('says so', async () => {
    using copy = copyForEveryone()
    const child = await runChild(readOne, [], {
      cwd: copy.path,
      under: asNobody(),
    })
    expect(child.stderr).toBe('')
    expect(JSON.parse(child.stdout)).toMatchObject({
      name: 'BpfError',
      code: 'EACCES',
      message: expect.stringContaining('only root may read'),
    })
  })
})
