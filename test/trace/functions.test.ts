import { execFileSync } from 'node:child_process'
import { kstr, str, trace } from 'libbpf-node/trace'
import { describe, expect, it } from 'vitest'
import { useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'

/** What a function returns for a process with the name `true`. */
async function answerOf(code: unknown, constants = {}): Promise<unknown> {
  using events = await trace('rt:sched_process_exec', code as string, {
    constants,
    filter: (r) => r.comm === 'true',
  })
  const seen: unknown[] = []
  events.on((event) => void seen.push(event))
  execFileSync('/bin/true')
  await until('the probes are seen', () => seen.length > 0)
  return seen[0]
}

/** The kernel side of a function at a probe. */
async function sourceOf(code: unknown, probe = 't:syscalls:sys_enter_openat'): Promise<string> {
  using events = await trace(probe, code as string)
  return events.source
}

describe('the text of a function', () => {
  useTracefs()

  it.each<[string, unknown, unknown]>([
    [
      'renamed names',
      ({ comm: name, pid: _ }: { comm: string; pid: number }) => ({ name }),
      { name: 'true' },
    ],
    [
      'nested patterns',
      '({ task: { tgid, real_parent: { comm } } }) => ({ is: tgid > 0, comm })',
      { is: true, comm: expect.any(String) },
    ],
    [
      'patterns in the function',
      '(r) => { const { comm } = r; const { uid: user } = r; return { comm, user } }',
      { comm: 'true', user: 0 },
    ],
    [
      'variables called like what the probe has',
      '(r) => { const pid = 7; const comm = r.comm; return { pid, comm } }',
      { pid: 7, comm: 'true' },
    ],
    [
      'variables in inner blocks',
      '({ comm, pid }) => { let big = 1; if (pid > 0) { const pid = 5; big = pid } return { comm, big } }',
      { comm: 'true', big: 5 },
    ],
    [
      'variables called like those of the program',
      '(r) => { const events = 3; const lost = 4; const text0 = 5; return { a: events + lost + text0, c: r.comm } }',
      { a: 12, c: 'true' },
    ],
    [
      'comments and strings',
      "(r /* comm */) => {\n  // return pid\n  const a = 'r.pid' /* { */\n  return { a, b: r.comm }\n}",
      { a: 'r.pid', b: 'true' },
    ],
    ['templates without parts', '(r) => ({ a: `text`, c: r.comm })', { a: 'text', c: 'true' }],
    ['optional chaining', '(r) => ({ a: r?.task?.tgid > 0, c: r.comm })', { a: true, c: 'true' }],
    [
      'TypeScript in text',
      '(r: { comm: string; task: any }): unknown => ({ a: (r.task!.tgid as number) > 0, c: r.comm! })',
      { a: true, c: 'true' },
    ],
    ['names in brackets', "(r) => ({ a: r['comm'] })", { a: 'true' }],
    ['minified text', 'e=>{let t=e.comm;if("true"===t)return{c:t}}', { c: 'true' }],
    ['== and !=', "(r) => { if (r.comm == 'true' && r.pid != 1) return r.comm }", 'true'],
    [
      'words out of the parameter',
      '({ task: a, kstr: b }) => { const c = b(u64(a)); return { comm: a.comm } }',
      { comm: 'true' },
    ],
  ])('can have %s', async (_, code, expected) => {
    expect(await answerOf(code)).toEqual(expected)
  })

  it('can be a method, a getter or an old function', async () => {
    const object = {
      method(r: { comm: string }) {
        return r.comm
      },
      get value() {
        return 1
      },
    }
    expect(await answerOf(object.method)).toBe('true')
    expect(await answerOf(Object.getOwnPropertyDescriptor(object, 'value')!.get)).toBe(1)
    expect(
      await answerOf(function named(r: { comm: string }) {
        return r.comm
      }),
    ).toBe('true')
  })

  it('compares text in variables of its own', async () => {
    const source = await sourceOf((r: { comm: string; args: { filename: number } }) => {
      if (r.comm === 'x' || str(r.args.filename).startsWith('/etc/')) return { file: str(r.args.filename) }
      return
    })
    expect(source).toContain('const text0: char<16> = bpf.getCurrentComm()')
    expect(source).toMatch(/const text1: char<128> = \(?bpf\.probeReadUserStr\)?\(ctx\.args\[1\]\)/)
    expect(await sourceOf(() => kstr(0))).toContain('bpf.probeReadKernelStr')
  })

  it.each<[string, unknown, RegExp]>([
    ['defaults', '({ pid = 1 }) => pid', /leave out the default value/],
    ['the rest', '({ pid, ...rest }) => pid', /\.\.\.rest/],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: text of a function
    ['templates with parts', '(r) => `${r.pid}`', /cannot be put together in the kernel/],
    ['functions in it', '(r) => [1].map((x) => x)', /cannot contain another one/],
    ['two parameters', '(r, s) => r.pid', /takes one parameter/],
    ['a class', class {}, /a class is not a function/],
    ['what is user space', '(r) => process.pid', /'process' only exists in user space/],
    ['this', '(r) => this.pid', /./],
    ['generators', '(function* (r) { return r.pid })', /is not async/],
    ['nothing at all', '', /./],
    [
      'too much on the stack',
      `(r) => ({ ${Array.from({ length: 9 }, (_, i) => `a${i}: str(r.arg0 + ${i})`).join()} })`,
      /./,
    ],
  ])('refuses %s', async (_, code, message) => {
    await expect(trace('begin', code as string)).rejects.toThrow(message)
  })

  it('can be long', async () => {
    const lines = Array.from({ length: 300 }, (_, i) => `if (r.pid === ${4_000_000 + i}) n += ${i}`)
    const code = `(r) => { let n: u64 = 1n; ${lines.join('\n')}\nreturn n }`
    expect(await answerOf(code)).toBe(1)
  })
})
