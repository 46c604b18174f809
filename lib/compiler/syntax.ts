import { parse } from '@babel/parser'
import type * as ast from '@babel/types'
import { CompileError, type Part, type Source } from './source.js'

export type { ast }

/** The compiler itself has a better message for these. */
const explained = ['IllegalBreakContinue', 'AwaitNotInAsyncContext']

/** What to write instead of what the parser refuses, by the code of its error. */
const hints: Readonly<Record<string, string>> = {
  InvalidLhs:
    'Give it a name first, and assign to what it points to: const n = counts.get(1), then n.value += 1.',
}

/** Parses a module of TypeScript. @throws CompileError for what is not TypeScript */
export function parseModule(source: Source, { text, start }: Part = source.main): ast.Statement[] {
  try {
    const { program, errors } = parse(text, {
      startIndex: start,
      sourceType: 'module',
      plugins: ['typescript'],
      attachComment: false,
      errorRecovery: true,
    })
    const error = errors?.find(({ reasonCode }) => !explained.includes(reasonCode))
    if (error !== undefined) throw error
    return program.body
  } catch (error) {
    const { pos, message, reasonCode = '' } = error as { pos?: number; message: string; reasonCode?: string }
    if (pos === undefined) throw error
    // The parser knows proposals for JavaScript, and its message is then about its own options.
    if (/experimental syntax|parser plugin/.test(message))
      throw new CompileError(
        source.place(pos),
        1,
        'this is not TypeScript, or no part of it that the kernel side has',
      )
    throw new CompileError(source.place(pos), 1, message.replace(/ \(\d+:\d+\)$/, ''), hints[reasonCode])
  }
}

/**
 * Calls a function with each child of a node, in the order of the text, and with the name of the member that it is in.
 */
export function eachChild(node: ast.Node, visit: (child: ast.Node, key: string) => void): void {
  // Object.entries() makes an array for each member, and files are walked several times.
  for (const key in node) {
    const child = (node as unknown as Record<string, unknown>)[key]
    if (!Array.isArray(child)) {
      if (isNode(child)) visit(child, key)
      continue
    }
    for (const one of child) if (isNode(one)) visit(one, key)
  }
}

export const isNode = (value: unknown): value is ast.Node =>
  typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'

/** The name of the function that is called: `hash` in `hash<u32, u64>(1024)`. Empty if it is something else. */
export const calledName = (node: ast.Node | null | undefined): string =>
  node?.type === 'CallExpression' && node.callee.type === 'Identifier' ? node.callee.name : ''
