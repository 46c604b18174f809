// Uses the package as it is installed: without deps/ and build/. Only `gen` compiles anything.
import { execFile } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { root, tsc } from './helper.js'

const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-installed-'))
const app = join(folder, 'app')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A program that includes all headers that do not come with the system. */
const program = `#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "libbpf-node.bpf.h"

struct event {
  __u32 pid;
  __u32 parent;
};
LIBBPF_NODE_EVENTS(events, 1 << 16, struct event);

SEC("raw_tp/sys_enter")
int on_enter(void *ctx)
{
  struct task_struct *task = (void *)bpf_get_current_task();
  struct event *event = libbpf_node_events_reserve(events, struct event);
  if (!event)
    return 0;
  event->pid = bpf_get_current_pid_tgid() >> 32;
  event->parent = BPF_CORE_READ(task, real_parent, tgid);
  libbpf_node_events_submit(ctx, events, event, struct event);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
`

const main = `import { Foo } from './foo.skel.js'

using foo = Foo.open()
await foo.load()
const events = foo.events()
foo.attach()
for await (const { pid, parent } of events) {
  if (pid !== process.pid) continue
  console.log(parent === process.ppid)
  break
}
events.close()
`

beforeAll(async () => {
  mkdirSync(app)
  const pack = ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder]
  await run('npm', pack, { cwd: root })
  // Tests cannot use the registry.
  await run('npm', pack, { cwd: join(root, 'node_modules/node-gyp-build') })
  writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }')
  const tarballs = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  const install = ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund']
  await run('npm', [...install, ...tarballs.map((name) => join(folder, name))], { cwd: app })
  // Uses the addon of this machine. These tests are not about the addon in the tarball.
  const addon = 'build/Release/libbpf_node.node'
  mkdirSync(join(app, 'node_modules/libbpf-node/build/Release'), { recursive: true })
  copyFileSync(join(root, addon), join(app, 'node_modules/libbpf-node', addon))
  symlinkSync(join(root, 'node_modules/@types'), join(app, 'node_modules/@types'))
  writeFileSync(join(app, 'foo.bpf.c'), program)
  writeFileSync(join(app, 'main.ts'), main)
}, 120_000)

it('the installed package generates, compiles and runs without anything else', async () => {
  await run('npx', ['libbpf-node', 'gen', 'foo.bpf.c'], { cwd: app })
  expect(await tsc(app)).toBe('')
  const { stdout } = await run(process.execPath, ['main.js'], { cwd: app })
  expect(stdout).toBe('true\n')
}, 120_000)

it.each([
  ['node16', { module: 'node16' }],
  ['nodenext', { module: 'nodenext' }],
  ['a bundler', { module: 'esnext', moduleResolution: 'bundler', noEmit: true }],
  ['a library with declarations', { declaration: true, isolatedDeclarations: true }],
])("has types, also the library's own, for %s", async (_, options) => {
  expect(await tsc(app, { skipLibCheck: false, ...options })).toBe('')
})
