// What a random program can name: variables, and what is in them.
import { type Ref, sizeOf, type Type, u8 } from './types.js'
import type { Frame } from './world.js'

/** What can be read by its text, and mostly written. */
export interface Place<T extends Type = Type> {
  /** The variable that it begins with. */
  readonly root: string
  readonly text: string
  readonly type: T
  readonly at: (frame: Frame) => Ref
  readonly isConst?: boolean
  /** A struct that is named as such cannot be assigned to: it is a pointer, or a const. */
  readonly isWhole?: boolean
}

/** A place, and what is in it. */
export function within(place: Place): Place[] {
  const { type, text, at, root } = place
  const isConst = place.isConst === true
  switch (type.kind) {
    case 'int':
      return [place]
    case 'struct':
      return [
        place,
        ...type.members.flatMap(({ name, type, offset }) =>
          within({ root, text: `${text}.${name}`, type, isConst, at: moved(at, offset) }),
        ),
      ]
    case 'array':
    case 'chars': {
      const of = type.kind === 'chars' ? u8 : type.of
      const some = [0, 1, type.length - 1].filter((at, i, all) => at < type.length && all.indexOf(at) === i)
      return [
        place,
        ...some.flatMap((i) =>
          within({ root, text: `${text}[${i}]`, type: of, isConst, at: moved(at, i * sizeOf(of)) }),
        ),
      ]
    }
  }
}

const moved =
  (at: Place['at'], by: number): Place['at'] =>
  (frame) => {
    const ref = at(frame)
    return { bytes: ref.bytes, at: ref.at + by }
  }
