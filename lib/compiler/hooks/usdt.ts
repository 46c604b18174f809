import type { FunctionCompiler } from '../lower.js'

export function probeArgument(compiler: FunctionCompiler, _index: number): number {
  return compiler.source.fail(compiler.program.node, 'the arguments of USDT probes cannot be read yet')
}
