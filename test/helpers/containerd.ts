// Debian's containerd and runc, which scripts/setup fetches, with pods that are started through the API that kubelet uses.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { it } from 'vitest'
import { until } from './until.js'

const tools = fileURLToPath(new URL('../../build/receivers/usr', import.meta.url))

/** A test that needs containers. Without containerd, its name says what is missing. */
export function requiresContainerd(name: string, test: () => Promise<void>): void {
  if (existsSync(`${tools}/bin/containerd`)) it(name, test, 60_000)
  else it.skip(`${name} (no containerd: scripts/setup --only receivers fetches it from Debian)`, test)
}

const field = (number: number, content: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(content as string)
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes])
}
const flag = (number: number, value: number): Buffer => Buffer.concat([varint(number * 8), varint(value)])
const entries = (number: number, texts: Record<string, string>): Buffer =>
  Buffer.concat(
    Object.entries(texts).map(([key, text]) => field(number, Buffer.concat([field(1, key), field(2, text)]))),
  )

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128)
  return Buffer.from([...bytes, value])
}

export const image = 'registry.example/shop/web:1.2'

export interface Pod {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly labels: Record<string, string>
}

/** containerd with one image, whose only program waits forever. */
export class Containerd implements AsyncDisposable {
  readonly #folder: string
  readonly #child: ChildProcess
  readonly #cgroup = `/libbpf-node-containerd-${process.pid}`
  readonly #pods: string[] = []
  log = ''

  /** @param folder - an empty folder of a file system that overlayfs can be mounted above */
  static async start(folder: string): Promise<Containerd> {
    const containerd = new Containerd(folder)
    await until('containerd serves', () => {
      if (containerd.#child.exitCode !== null) throw new Error(containerd.log)
      return containerd.log.includes('containerd successfully booted')
    })
    const archive = makeImage(folder)
    execFileSync(`${tools}/bin/ctr`, ['-a', containerd.socket, '-n', 'k8s.io', 'images', 'import', archive])
    return containerd
  }

  private constructor(folder: string) {
    this.#folder = folder
    const config = join(folder, 'config.toml')
    writeFileSync(
      config,
      `version = 2
root = "${folder}/lib"
state = "${folder}/run"
[grpc]
address = "${this.socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${image}"
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "${tools}/sbin/runc"
`,
    )
    const path = `${tools}/bin:${tools}/sbin:${process.env.PATH}`
    this.#child = spawn(`${tools}/bin/containerd`, ['-c', config], { env: { ...process.env, PATH: path } })
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.log += text
      })
  }

  get socket(): string {
    return join(this.#folder, 'containerd.sock')
  }

  /** Starts a pod with a container. Returns the id of the container. */
  async run({ name, namespace, uid, labels }: Pod, container: string): Promise<string> {
    const ofHost = field(
      8,
      Buffer.concat([
        field(1, `${this.#cgroup}/kubepods/besteffort/pod${uid}`),
        field(2, field(1, flag(1, 2))),
      ]),
    )
    const metadata = field(1, Buffer.concat([field(1, name), field(2, uid), field(3, namespace)]))
    const config = Buffer.concat([
      metadata,
      entries(6, { ...labels, 'io.kubernetes.pod.name': name }),
      ofHost,
    ])
    const pod = idIn(await this.#call('RunPodSandbox', field(1, config)))
    this.#pods.push(pod)
    const own = field(2, Buffer.concat([field(1, field(1, container)), field(2, field(1, image))]))
    const id = idIn(
      await this.#call('CreateContainer', Buffer.concat([field(1, pod), own, field(3, config)])),
    )
    await this.#call('StartContainer', field(1, id))
    return id
  }

  /** The profile that containers with these capabilities get by default. */
  seccompProfile(capabilities: readonly string[]): unknown {
    const ctr = (...args: string[]): string =>
      execFileSync(`${tools}/bin/ctr`, ['-a', this.socket, '-n', 'k8s.io', 'containers', ...args], {
        encoding: 'utf8',
      })
    const added = capabilities.flatMap((name) => ['--cap-add', name])
    ctr('create', '--seccomp', ...added, image, 'profile')
    const { Spec } = JSON.parse(ctr('info', 'profile')) as { Spec: { linux: { seccomp: unknown } } }
    ctr('delete', 'profile')
    return Spec.linux.seccomp
  }

  /** Ends and removes all pods. */
  async removeAll(): Promise<void> {
    for (const pod of this.#pods.splice(0)) {
      await this.#call('StopPodSandbox', field(1, pod))
      await this.#call('RemovePodSandbox', field(1, pod))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.removeAll()
    const ended = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.kill('SIGTERM')
    await ended
    for (const hierarchy of readdirSync('/sys/fs/cgroup'))
      removeCgroups(`/sys/fs/cgroup/${hierarchy}${this.#cgroup}`)
    removeCgroups(`/sys/fs/cgroup${this.#cgroup}`)
  }

  #call(method: string, message: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const session = connectHttp2('http://localhost', { createConnection: () => connect(this.socket) })
      session.on('error', reject)
      const stream = session.request({
        ':method': 'POST',
        ':path': `/runtime.v1.RuntimeService/${method}`,
        'content-type': 'application/grpc',
        te: 'trailers',
      })
      const chunks: Buffer[] = []
      const check = (headers: object): void => {
        const { 'grpc-status': status = '0', 'grpc-message': text } = headers as Record<string, string>
        if (status !== '0') reject(new Error(`${method}: ${text}\n${this.log.slice(-2000)}`))
      }
      stream.on('response', check)
      stream.on('trailers', check)
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('close', () => {
        session.close()
        resolve(Buffer.concat(chunks).subarray(5))
      })
      const head = Buffer.alloc(5)
      head.writeUInt32BE(message.length, 1)
      stream.end(Buffer.concat([head, message]))
    })
  }
}

/** The only member of an answer is an id. */
const idIn = (answer: Buffer): string => answer.subarray(2).toString()

function removeCgroups(path: string): void {
  if (!existsSync(path)) return
  for (const name of readdirSync(path))
    if (statSync(join(path, name)).isDirectory()) removeCgroups(join(path, name))
  rmdirSync(path)
}

/** Writes an image as the archive that `docker save` makes. */
function makeImage(folder: string): string {
  const layout = join(folder, 'image')
  const blobs = join(layout, 'blobs/sha256')
  mkdirSync(blobs, { recursive: true })
  const put = (bytes: string | Uint8Array) => {
    const hash = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(blobs, hash), bytes)
    return { digest: `sha256:${hash}`, size: bytes.length }
  }
  writeFileSync(join(folder, 'wait.c'), '#include <unistd.h>\nint main(void) { for (;;) pause(); }\n')
  execFileSync('cc', ['-static', '-o', join(folder, 'wait'), join(folder, 'wait.c')])
  execFileSync('tar', ['-cf', join(folder, 'layer.tar'), '-C', folder, 'wait'])
  const type = 'application/vnd.oci.image'
  const layer = put(readFileSync(join(folder, 'layer.tar')))
  const machine = { architecture: process.arch === 'x64' ? 'amd64' : process.arch, os: 'linux' }
  const settings = {
    ...machine,
    config: { Entrypoint: ['/wait'] },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
  }
  const config = { mediaType: `${type}.config.v1+json`, ...put(JSON.stringify(settings)) }
  const layers = [{ mediaType: `${type}.layer.v1.tar`, ...layer }]
  const mediaType = `${type}.manifest.v1+json`
  const manifest = put(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }))
  const annotations = { 'io.containerd.image.name': image }
  const index = { schemaVersion: 2, manifests: [{ mediaType, ...manifest, annotations }] }
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index))
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  const archive = join(folder, 'image.tar')
  execFileSync('tar', ['-cf', archive, '-C', layout, '.'])
  rmSync(layout, { recursive: true })
  return archive
}
