// The struct that user space passes to a program: the verifier takes no address of it, and no variable index into it.
import { BpfObject } from 'libbpf-node'
import { CompileError, compile } from 'libbpf-node/kernel'
import { describe, expect } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'

interface Request {
  n: number
  m: number
  out: bigint[]
  text: string
  key: { a: number; b: number }
}

const declarations = `
interface Key { a: u32; b: u32 }
interface Request { n: u32; m: u32; out: array<u64, 8>; text: char<16>; key: Key }
export const counts = hash<Key, u64>(8)
export const texts = hash<char<16>, u64>(8)
function bump(key: Key): u32 { key.a += 1; return key.a }
function later(key: Key): u32 {
  counts.add(key, 1)
  key.b += 1
  counts.add(key, 1)
  key.b += 1
  counts.add(key, 1)
  key.b += 1
  counts.add(key, 1)
  return key.b
}
`
const textOf = (body: string): string =>
  `${declarations}export const p = syscall((request: Request) => {\n${body}\nreturn 0\n})\nexport const license = 'GPL'\n`

function run(body: string): Request {
  using object = BpfObject.open(compile(textOf(body)).object)
  object.loadSync()
  const codec = object.codec<Request>('Request')
  const given = { n: 3, m: 4, out: Array<bigint>(8).fill(0n), text: 'before that', key: { a: 1, b: 2 } }
  const { context } = object.program('p').testRunSync({ context: codec.encodeBytes(given) })
  return codec.decodeBytes(context)
}

describe('what user space passes', () => {
  requiresKernel('5.14', 'is a key of maps', () => {
    const body = `
      counts.add(request.key, 5)
      texts.set(request.text, 7)
      request.out[0] = counts.get(request.key)?.value ?? 0
      request.out[1] = texts.get('before that')?.value ?? 0`
    expect(run(body).out.slice(0, 2)).toEqual([5n, 7n])
  })

  requiresKernel('5.14', 'is filled by helpers', () => {
    expect(run("request.text = bpf.getCurrentComm()\nif (request.text !== '') request.n = 9")).toMatchObject({
      n: 9,
      text: expect.not.stringContaining('before'),
    })
    const body = "request.text = '12'\nrequest.n = u32(bpf.strtoul(request.text, 10, request.key))"
    expect(run(body)).toMatchObject({ n: 2, key: { a: 12, b: 0 } })
  })

  requiresKernel('5.14', 'is passed on to functions, which can change it', () => {
    const body = `
      request.n = bump(request.key)
      request.m = later(request.key)
      request.m = later(request.key)
      request.out[0] = counts.get(request.key)?.value ?? 0`
    expect(run(body)).toMatchObject({ n: 2, m: 8, key: { a: 2, b: 8 }, out: [1n, ...Array(7).fill(0n)] })
  })

  requiresKernel('5.14', 'is copied to be indexed by a variable', () => {
    const body = `
      const copy: array<u64, 8> = request.out
      for (const i of range(8)) copy[i] = i * i
      request.out = copy`
    expect(run(body).out).toEqual([0n, 1n, 4n, 9n, 16n, 25n, 36n, 49n])
    let error: unknown
    try {
      compile(textOf('for (const i of range(8)) request.out[i] = i'))
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(CompileError)
    expect((error as CompileError).message).toContain('has to be a constant')
    expect((error as CompileError).hint).toBe(
      'Copy it first: const copy: array<u64, 8> = request.out. To change it, write request.out = copy at the end.',
    )
  })
})
