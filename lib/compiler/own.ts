/**
 * The entry of a table for a name from a program. The name may be one that all JavaScript objects have, such as
 * `constructor`.
 */
export const own = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined
