import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, realpathSync, rmSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))
/** Where the package has the prebuilt addon for this machine. */
export const prebuild = `prebuilds/${process.platform}-${process.arch}/libbpf-node.glibc.node`

/** npm's own program, which node can run without a PATH. */
export function npmProgram(): string {
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'npm'))
    .find(existsSync)
  if (found === undefined) throw new Error('this test needs npm')
  return realpathSync(found)
}

/** What `npm pack` says about the package. */
export interface Pack {
  filename: string
  size: number
  files: { path: string; size: number }[]
}

/**
 * Packs the package as it would be published. If there is no prebuilt addon for this machine, the tarball contains the
 * one that was built here instead.
 */
export function packPackage(folder: string): { pack: Pack; tarball: string } {
  const options = ['--json', '--ignore-scripts', '--loglevel=error', '--pack-destination', folder]
  const [pack] = JSON.parse(
    execFileSync(process.execPath, [npmProgram(), 'pack', ...options], { cwd: root, encoding: 'utf8' }),
  ) as [Pack]
  const tarball = join(folder, pack.filename)
  if (existsSync(join(root, prebuild))) return { pack, tarball }
  execFileSync('tar', ['-x', '-f', tarball, '-C', folder])
  mkdirSync(dirname(join(folder, 'package', prebuild)), { recursive: true })
  cpSync(join(root, 'build/Release/libbpf_node.node'), join(folder, 'package', prebuild))
  const withAddon = join(folder, 'with-addon.tgz')
  execFileSync('tar', ['-c', '-z', '-f', withAddon, '-C', folder, 'package'])
  rmSync(join(folder, 'package'), { recursive: true })
  return { pack, tarball: withAddon }
}
