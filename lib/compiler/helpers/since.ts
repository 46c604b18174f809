// Helpers are numbered in the order in which they were added to Linux.

/** A version of Linux, and the first helper that it added. */
const firstOfVersion: readonly (readonly [version: string, number: number])[] = [
  ['3.19', 1],
  ['4.1', 4],
  ['4.2', 12],
  ['4.3', 17],
  ['4.4', 23],
  ['4.5', 26],
  ['4.6', 27],
  ['4.8', 31],
  ['4.9', 37],
  ['4.10', 42],
  ['4.11', 45],
  ['4.12', 46],
  ['4.13', 48],
  ['4.14', 51],
  ['4.15', 54],
  ['4.16', 58],
  ['4.17', 60],
  ['4.18', 65],
  ['4.19', 81],
  ['4.20', 84],
  ['5.0', 91],
  ['5.1', 93],
  ['5.2', 99],
  ['5.3', 109],
  ['5.5', 111],
  ['5.6', 116],
  ['5.7', 119],
  ['5.8', 125],
  ['5.9', 136],
  ['5.10', 142],
  ['5.11', 156],
  ['5.12', 163],
  ['5.13', 164],
  ['5.14', 166],
  ['5.15', 169],
  ['5.16', 176],
  ['5.17', 180],
  ['5.18', 186],
  ['5.19', 194],
  ['6.0', 204],
  ['6.1', 208],
  ['6.2', 210],
]

/** The version of Linux that added a helper. */
export function sinceOf(number: number): string {
  return firstOfVersion.findLast(([, first]) => first <= number)![0]
}
