// Kernels without links for a hook. They are rare, so this kernel is made to report an old version (the personality
// UNAME26): the library then attaches in the old way, which every kernel still supports.
import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { kernelIs } from '../helpers/kernel.js'
import { objectPath } from '../helpers/objects.js'
import { useCgroup } from '../helpers/privileged.js'
import { useVeth } from './surroundings.js'

const cgroup = useCgroup()
const veth = useVeth()

const inThePast = async (script: string, ...args: string[]) => {
  const start = `
    import { BpfObject, queryCgroup, queryXdp } from 'libbpf-node'
    import { release } from 'node:os'
    if (!release().startsWith('2.6.')) throw new Error(release())
    const load = (...names) => {
      const object = BpfObject.open(process.argv[1])
      for (const name of names) object.program(name).autoload = true
      object.loadSync()
      return object
    }
  `
  const under = ['setarch', execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim(), '--uname-2.6']
  const result = await runChild(start + script, [objectPath('attach-net'), ...args], { under })
  expect(result).toMatchObject({ status: 0, stderr: '' })
  return result.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
}

describe('without links', () => {
  it('a cgroup (Linux 5.7) keeps its program until it is closed, and others can be added', async () => {
    const seen = await inThePast(
      `
      const object = load('cgroup_egress', 'cgroup_egress_second')
      const type = 'cgroup_inet_egress'
      const ids = () => queryCgroup(process.argv[2], type).programs.map(({ programId }) => programId)
      const links = ['cgroup_egress', 'cgroup_egress_second'].map((name) => object.program(name).attachCgroup(process.argv[2]))
      const wanted = ['cgroup_egress', 'cgroup_egress_second'].map((name) => object.program(name).id)
      console.log(JSON.stringify(String(ids()) === String(wanted)))
      console.log(links[0].fd)
      try {
        links[0].update(object.program('cgroup_egress_second'))
      } catch (error) {
        console.log(JSON.stringify(error.message))
      }
      links[0].close()
      console.log(ids().length)
      object.close()
      console.log(ids().length)
    `,
      cgroup(),
    )
    expect(seen).toEqual([true, -1, expect.stringContaining('without a kernel link'), 1, 0])
  })

  it('an interface (Linux 5.9) keeps its only XDP program until it is closed', async () => {
    const seen = await inThePast(
      `
      const object = load('xdp_pass', 'xdp_other')
      const [, , name, bridge] = process.argv
      const link = object.program('xdp_pass').attachXdp(name)
      console.log(JSON.stringify(link.mode))
      console.log(JSON.stringify(queryXdp(name).programId === object.program('xdp_pass').id))
      try {
        object.program('xdp_other').attachXdp(name)
      } catch (error) {
        console.log(JSON.stringify(error.message))
      }
      link.close()
      console.log(queryXdp(name).programId)
      const generic = object.program('xdp_pass').attachXdp(name, { mode: 'generic' })
      console.log(JSON.stringify(queryXdp(name).mode))
      object.close()
      console.log(queryXdp(name).programId)
    `,
      veth.name,
    )
    expect(seen).toEqual([
      'native',
      true,
      expect.stringContaining('is attached already (native)'),
      0,
      'generic',
      0,
    ])
  })

  it('a sockmap (Linux 6.10) keeps its program until it is closed', async () => {
    const seen = await inThePast(`
      import { connect, createServer } from 'node:net'
      import { once } from 'node:events'
      const object = load('echo')
      const sockets = object.map('sockets')
      const link = object.program('echo').attachSockmap(sockets)
      console.log(link.fd)
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      const accepted = once(server, 'connection')
      const client = connect(server.address().port, '127.0.0.1')
      const [socket] = await accepted
      process.noDeprecation = true
      sockets.set(0, BigInt(socket._handle.fd))
      client.write('echo')
      console.log(JSON.stringify(String((await once(client, 'data'))[0])))
      link.close()
      console.log(Number(object.bss.runs[0] > 0n))
      process.exit()
    `)
    expect(seen).toEqual([-1, 'echo', 1])
  })

  it('newer hooks report that the kernel is too old', async () => {
    const seen = await inThePast(
      `
      const object = load('tcx_egress')
      try {
        object.program('tcx_egress').attachTcx(process.argv[2], { revision: 1234n })
      } catch (error) {
        console.log(JSON.stringify(error.code))
      }
    `,
      veth.name,
    )
    // A kernel that has the hook checks the revision.
    expect(seen).toEqual([kernelIs('6.6') ? 'ESTALE' : 'EINVAL'])
  })
})
