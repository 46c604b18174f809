/** The result of one check. */
export interface Finding {
  /** What was checked: 'BTF', or the name of a program. */
  readonly check: string
  /** 'problem': a requirement is missing. 'note': a limitation that does not concern everybody. */
  readonly state: 'ok' | 'note' | 'problem'
  /** The result in one line. */
  readonly says: string
  /** What to do about it. */
  readonly fix?: string
}

export const ok = (check: string, says: string): Finding => ({ check, state: 'ok', says })
export const note = (check: string, says: string, fix?: string): Finding =>
  withFix({ check, state: 'note', says }, fix)
export const problem = (check: string, says: string, fix?: string): Finding =>
  withFix({ check, state: 'problem', says }, fix)

function withFix(finding: Finding, fix: string | undefined): Finding {
  return fix === undefined ? finding : { ...finding, fix }
}
