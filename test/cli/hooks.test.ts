import { listHooks } from 'libbpf-node/hooks'
import { describe, expect, it } from 'vitest'
import { libbpfNode } from '../codegen/helper.js'
import { useTracefs } from '../helpers/privileged.js'

useTracefs()

describe('libbpf-node hooks', () => {
  it('prints a line for each hook', async () => {
    const { status, stdout } = await libbpfNode(['hooks', 'sched_process_exec'])
    expect(status).toBe(0)
    expect(stdout).toBe(
      'tp/sched/sched_process_exec(__data_loc char[] filename, pid_t pid, pid_t old_pid)\n' +
        'tp_btf/sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)\n',
    )
  })

  it('prints JSON, C and TypeScript', async () => {
    const json = await libbpfNode(['hooks', 'vfs_read', '--kind', 'function', '--json'])
    expect(JSON.parse(json.stdout)).toEqual([...listHooks('vfs_read', { kinds: ['function'] })])
    const c = await libbpfNode(['hooks', 'vfs_read', '--c', '--as', 'fexit'])
    expect(c.stdout).toContain(`SEC("fexit/vfs_read")
int BPF_PROG(on_vfs_read_exit, struct file *file, char *buf, size_t count, loff_t *pos, ssize_t ret) {`)
    const ts = await libbpfNode(['hooks', 'vfs_read', '--ts'])
    expect(ts.stdout).toContain(`export const onVfsRead = fentry('vfs_read', (file, buf, count, pos) => {`)
  })

  it.each([
    [['vfs_raed'], 1, "nothing is named 'vfs_raed'; '*vfs_raed*' finds names that contain it"],
    [['*', '--c'], 1, 'at most 200 programs are written'],
    [['vfs_read', '--c', '--as', 'usdt'], 1, "has a section 'usdt'"],
    [['vfs_read', '--as', 'fexit'], 2, '--as can only be used with --c and --ts'],
    [['vfs_read', '--c', '--json'], 2, 'cannot be used together'],
    [['x', '--pid', 'y'], 2, '--pid y is not a process id'],
    [['x', '--kind', 'y'], 2, "'y'"],
  ])('refuses %j', async (args, code, message) => {
    const { status, stderr } = await libbpfNode(['hooks', ...args])
    expect([status, stderr]).toEqual([code, expect.stringContaining(message)])
  })
})
