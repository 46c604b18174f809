/** What a table has by a name that stands in a program, which may be one that all objects of JavaScript have: constructor. */
export const own = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined
