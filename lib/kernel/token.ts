import { withFd } from '../attach/file.js'
import { attempt } from '../errors/attempt.js'
import { tooOldFor } from '../machine/kernel-version.js'
import { OwnedDescriptor } from '../machine/owned-descriptor.js'
import { native } from '../native/binding.js'

/**
 * A BPF token: the permissions that whoever mounted a BPF file system delegated to the user namespace of this process.
 * Objects get one by themselves (`bpfTokenPath`); {@link BpfMap.create} accepts one. (`bpf_token_create`, Linux 6.9)
 *
 * @example
 * using token = Token.create('/sys/fs/bpf')
 * using map = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 8, maxEntries: 100, token })
 */
export class Token extends OwnedDescriptor {
  private constructor(fd: number) {
    super(fd, 'the token')
  }

  /** @param folder - where a BPF file system with delegated permissions is mounted, or a descriptor of that folder */
  static create(folder: string | number): Token {
    const what = `create a BPF token from ${folder}`
    const subject = {
      what,
      target: String(folder),
      arguments: ['folder'],
      reason: ({ errno }: { errno: number }) => {
        if (errno === 2)
          return 'that file system delegates nothing: mount it with options such as delegate_cmds'
        if (errno === 22) return tooOldFor('6.9') ?? 'it is not the root of a BPF file system'
        return errno === 1
          ? 'it belongs to another user namespace, or the process lacks CAP_BPF in its own'
          : undefined
      },
    }
    return new Token(withFd(folder, what, (fd) => attempt(subject, () => native.tokenCreate(fd))))
  }
}
