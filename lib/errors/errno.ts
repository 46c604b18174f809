import { constants } from 'node:os'

/** The kernel's own ENOTSUPP. libc has no name for it, but bpf() returns it. @internal */
export const ENOTSUPP = 524

// Some numbers have two names. The first one wins, as in Node.js: EAGAIN, ENOTSUP.
const names = new Map<number, string>(
  Object.entries(constants.errno)
    .map(([name, errno]): [number, string] => [errno, name])
    .reverse(),
)
names.set(ENOTSUPP, 'ENOTSUPP')
// Linux has more errno values than Node.js names. bpf() returns these.
names.set(77, 'EBADFD').set(87, 'EUSERS').set(108, 'ESHUTDOWN').set(126, 'ENOKEY').set(129, 'EKEYREJECTED')
const libbpfErrors =
  'LIBELF FORMAT KVERSION ENDIAN INTERNAL RELOC LOAD VERIFY PROG2BIG KVER PROGTYPE WRNGPID INVSEQ NLPARSE'
for (const [i, name] of libbpfErrors.split(' ').entries()) names.set(4000 + i, `LIBBPF_ERRNO__${name}`)

/** The name of an errno: 'EPERM', or 'LIBBPF_ERRNO__FORMAT' for one of libbpf's own. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`
}
