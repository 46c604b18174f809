/**
 * Linux's numbers of the errors that helpers return. Programs expect them, also when the emulator runs on another
 * system.
 */
export const errno = {
  ENOENT: 2,
  E2BIG: 7,
  EAGAIN: 11,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EINVAL: 22,
  ENOSPC: 28,
  ERANGE: 34,
  EOPNOTSUPP: 95,
} as const
