import { parse } from '@babel/parser'
import type * as ast from '@babel/types'
import { CompileError, type Source } from './source.js'

export type { ast }

/** The compiler itself has a better sentence for these. */
const explained = ['IllegalBreakContinue', 'AwaitNotInAsyncContext']

/** Parses a module of TypeScript. @throws CompileError for what is not TypeScript */
export function parseModule(source: Source): ast.Statement[] {
  try {
    const { program, errors } = parse(source.text, {
      sourceType: 'module',
      plugins: ['typescript'],
      attachComment: false,
      errorRecovery: true,
    })
    const error = errors?.find(({ reasonCode }) => !explained.includes(reasonCode))
    if (error !== undefined) throw error
    return program.body
  } catch (error) {
    const { pos, message } = error as { pos?: number; message: string }
    if (pos === undefined) throw error
    throw new CompileError(source.place(pos), 1, message.replace(/ \(\d+:\d+\)$/, ''))
  }
}
