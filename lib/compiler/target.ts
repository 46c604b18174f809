/** The architectures that programs are compiled for, which differ in their registers. */
export type Architecture = 'x64' | 'arm64'

/** What a program is compiled for. */
export interface Target {
  readonly architecture: Architecture
  /**
   * The oldest kernel that it has to load into, as in '5.10'; undefined for any kernel that has what the program uses.
   */
  readonly oldestKernel: string | undefined
}

/** Whether one version of Linux is older than another. */
export function isOlder(version: string, than: string): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number)
  const [major = 0, minor = 0] = than.split('.').map(Number)
  return a < major || (a === major && b < minor)
}
