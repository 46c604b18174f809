/** What a check came to, in one line each. */
export interface Finding {
  /** What was looked at: 'BTF', or a program's name. */
  readonly check: string
  /** 'problem': something lacks that is needed. 'note': something to know, that not everybody needs. */
  readonly state: 'ok' | 'note' | 'problem'
  /** What was found, in plain words. */
  readonly says: string
  /** What helps. */
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
