// Programs that are compiled, loaded and attached together, and detached with the session.
import { compile } from '../compiler/compile.js'
import { BpfObject } from '../objects/object.js'
import { Builtins } from './builtins.js'
import { type Code, type Constants, KernelText } from './kernel-text.js'
import { type Probe, probesOf } from './probes.js'

/** One or more probes: `'kprobe:vfs_*'`, `'kprobe:vfs_read,kprobe:vfs_write'` or an array of names. */
export type ProbeNames = string | readonly string[]

export interface SessionOptions {
  /** Values that the functions use by name, and that the kernel gets as they are now. */
  readonly constants?: Constants
  /** Only what this function is true for is looked at. */
  readonly filter?: Code
}

/** The body of a program, by what its functions are at one probe. */
export type Body = (text: (code: Code) => KernelText) => string

/** A set of programs in the kernel. Closing it detaches them. */
export class Session implements Disposable, AsyncDisposable {
  /** The names of the probes that it is attached to. */
  readonly probes: readonly string[]
  /** The text of the kernel side that was made of the functions. */
  readonly source: string
  protected readonly object: BpfObject

  protected constructor(opened: Opened) {
    this.probes = opened.probes
    this.source = opened.source
    this.object = opened.object
  }

  /** Detaches the programs and frees what they have counted. */
  close(): void {
    this.object.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }
}

export interface Opened {
  readonly probes: readonly string[]
  readonly source: string
  readonly object: BpfObject
}

/**
 * Compiles, loads and attaches a program for each probe.
 *
 * @param declarations - the maps and functions that the programs share
 * @param parts - probes, and what their programs do
 */
export async function openSession(
  declarations: string,
  parts: readonly { readonly probes: ProbeNames; readonly body: Body }[],
  { constants = {}, filter }: SessionOptions,
): Promise<Opened> {
  const all = parts.map(({ probes, body }) => ({ probes: probesOf(probes), body }))
  const names = all.flatMap(({ probes }) => probes.map(({ name }) => name))
  const nameLength = Math.max(...names.map(({ length }) => length))
  const programs = all.flatMap(({ probes, body }, part) =>
    probes.map((probe, i) => {
      const builtins = new Builtins(probe, nameLength)
      const textOf = (code: Code): KernelText => new KernelText(code, builtins, constants)
      const statements = [...(filter === undefined ? [] : [filtered(textOf(filter))]), body(textOf)]
      return programText(probe, `p${part}_${i}`, builtins.parameters, statements)
    }),
  )
  const source = `${declarations.trim()}\n\n${programs.join('\n')}\nexport const license = 'GPL'\n`
  const { object: bytes } = compile(source, { file: 'probe.bpf.ts' })
  const object = BpfObject.open(bytes)
  try {
    await object.load()
    object.attach()
    return { probes: names, source, object }
  } catch (error) {
    object.close()
    throw error
  }
}

function filtered(code: KernelText): string {
  const { before, text } = code.expression()
  return `${before}\nif (!(${text})) return 0`
}

function programText(
  { hook, target }: Probe,
  name: string,
  parameters: string,
  statements: readonly string[],
): string {
  const lines = statements
    .join('\n')
    .trim()
    .split('\n')
    .filter((line) => line.trim() !== '')
  return `export const ${name} = ${hook}('${target}', (${parameters}) => {
${lines.map((line) => `  ${line.trim()}`).join('\n')}
})
`
}
