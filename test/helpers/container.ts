// Processes in cgroups and file systems of their own, as container runtimes start them.
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { until } from './until.js'

/** Folders of the host that every container sees. Programs find their libraries there. */
const shared = ['usr', 'lib', 'lib64', 'bin', 'etc', 'dev']

/**
 * Runs as the first process: joins the cgroup, gets a root file system above the image, forgets the one of the host, and
 * becomes the program of the container.
 */
const start = `
set -e
echo $$ > "$1/cgroup.procs"
image=$2 root=$3
mount -t tmpfs tmpfs "$root"
mkdir "$root/upper" "$root/work" "$root/merged"
mount -t overlay -o "lowerdir=$image,upperdir=$root/upper,workdir=$root/work" overlay "$root/merged"
cd "$root/merged"
for folder in ${shared.join(' ')}; do
  if [ -d "/$folder" ]; then mkdir "$folder"; mount --bind "/$folder" "$folder"; fi
done
mkdir proc old
mount -t proc proc proc
pivot_root . old
umount -l /old
shift 3
exec "$@"
`

/** Makes the files of an image: a shell called /app/worker, with what `change` makes of them. */
export function makeImage(path: string, change: (path: string) => void = () => {}): string {
  mkdirSync(join(path, 'app'), { recursive: true })
  cpSync('/bin/bash', join(path, 'app/worker'), { dereference: true })
  change(path)
  return path
}

/** A container whose program runs itself once more for each line that it is told to. */
export class TestContainer implements AsyncDisposable {
  readonly cgroup: string
  readonly id: bigint
  readonly child: ChildProcess
  said = ''

  /**
   * @param image - a folder
   * @param root - an empty folder, where its root is mounted for it alone
   * @param cgroup - a folder that is made
   */
  constructor(image: string, root: string, cgroup: string) {
    this.cgroup = cgroup
    mkdirSync(root, { recursive: true })
    mkdirSync(cgroup)
    this.id = statSync(cgroup, { bigint: true }).ino
    const program = ['/app/worker', '-c', 'echo ready; while read line; do /app/worker -c "echo $line"; done']
    const isolated = ['--mount', '--propagation', 'private', 'sh', '-c', start, 'sh', cgroup, image, root]
    this.child = spawn('unshare', [...isolated, ...program], { stdio: ['pipe', 'pipe', 'pipe'] })
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.said += text
      })
  }

  async ready(): Promise<this> {
    await until('the container runs', () => this.#expect('ready\n'))
    return this
  }

  /** Runs its program once more. */
  async run(): Promise<void> {
    const before = this.said.length
    this.child.stdin!.write('done\n')
    await until('it has run', () => this.#expect('done\n', before))
  }

  #expect(text: string, from = 0): boolean {
    if (this.child.exitCode !== null) throw new Error(`the container has ended: ${this.said}`)
    return this.said.slice(from).includes(text)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null) {
      const ended = new Promise((resolve) => this.child.once('close', resolve))
      this.child.stdin!.end()
      await ended
    }
    if (existsSync(this.cgroup)) rmdirSync(this.cgroup)
  }
}
