import { describe, expect, it } from 'vitest'
import { libbpfNode } from '../codegen/helper.js'

describe('the command line', () => {
  it.each([
    [['prog', 'remove'], "unknown action 'remove'"],
    [['prog', 'show', 'x'], "'x' is not a valid id"],
    [['prog', 'show', '-1'], "'-1'"],
    [['prog', 'dump', 'source', '1'], "unknown form 'source'; expected xlated, jited"],
    [['map', 'dump'], 'ID missing'],
    [['prog', 'list', '1', '2'], "unexpected argument '2'"],
    [['map', 'dump', '1', '2'], "unexpected argument '2'"],
    [['top', 'quickly'], "unexpected argument 'quickly'"],
    [['prog', 'list', '--opcodes'], '--opcodes can only be used with dump'],
    [['btf', 'list', '--type', 'x'], '--type can only be used with dump'],
    [['link', 'dump', '1'], "unknown action 'dump'"],
    [['btf', 'show', '99999999999'], 'is not a valid id'],
    [['features', 'nothing'], "unknown section 'nothing'"],
    [['features', '--nothing'], "'--nothing'"],
    [['doctor', ''], 'OBJECT is empty'],
    [['doctor', 'a', 'b'], 'only one OBJECT'],
    [['top', '--interval', 'x'], 'a number of seconds'],
    [['tracelog', '--nothing'], "'--nothing'"],
  ])('exits with status 2 for %j and shows the usage', async (args, message) => {
    const { status, stdout, stderr } = await libbpfNode(args)
    expect(stderr).toContain(message)
    expect(stderr).toContain(`Usage: libbpf-node ${args[0]}`)
    expect([status, stdout]).toEqual([2, ''])
  })

  it.each(['doctor', 'features', 'prog', 'map', 'link', 'btf', 'top', 'tracelog'])(
    'shows the help of %s',
    async (name) => {
      const { stdout: help } = await libbpfNode(['help', name])
      expect(help).toMatch(new RegExp(`^Usage: libbpf-node ${name}`))
      expect(help).toContain('--json')
    },
  )
})
