// Random loops, switches, and statements that leave them.
import { type Place, within } from './places.js'
import { Pointers } from './pointers.js'
import { type Around, block, indent, type Leaving, lines, runAll, type Statement } from './statement.js'
import { load, numbers, promoted, type Ref, sizeOf, store, type Type, u32, wrap } from './types.js'
import type { Frame } from './world.js'

export abstract class Flow extends Pointers {
  /** `break`, `continue` or `return`, if something holds. */
  protected leave(scope: Around): Statement {
    if (scope.loops.length === 0 && !scope.mayReturn) return this.assignment(scope)
    const test = this.condition(scope, 1)
    const { words, outcome } = this.leaving(scope)
    return {
      text: () => `if (${test.text}) ${words}`,
      run: (frame) => (test.holds(frame) ? outcome(frame) : undefined),
    }
  }

  protected leaving(scope: Around): Leaving {
    const { loops, returns, mayReturn } = scope
    if (loops.length === 0 || (mayReturn && this.once(4))) {
      const value = returns && this.converted(scope, returns, 1)
      return {
        words: value ? `return ${value.text}` : 'return',
        outcome: (frame) => ({ how: 'return', value: value ? value.value(frame) : 0n }),
      }
    }
    const isInLoop = loops.some(({ isSwitch }) => !isSwitch)
    const how = isInLoop ? this.one(['break', 'continue'] as const) : 'break'
    const labels = loops.filter(
      ({ label, isSwitch }) => label !== undefined && !(isSwitch && how === 'continue'),
    )
    const label = this.once(2) && labels.length > 0 ? this.one(labels).label : undefined
    return { words: label === undefined ? how : `${how} ${label}`, outcome: () => ({ how, label }) }
  }

  /** A loop that counts a number of any type, up or down, to a constant. */
  #counting(depth: number, around: Around): Statement {
    const label = this.once(3) ? `l${this.newVariable()}` : undefined
    const [name, type] = [this.newName('c'), this.one(numbers)]
    const { id, places } = this.variable(name, type, true)
    const [rounds, step, isUp] = [1 + this.random.below(3), 1 + this.random.below(3), this.once(2)]
    const by = isUp ? step : -step
    const least = type.signed ? this.random.below(16) - 12 : this.random.below(8)
    const first = isUp ? least : least + rounds * step
    // With '<=' and its like, any number between the last two rounds will do.
    const [operator, bound] = this.one([
      [isUp ? '<' : '>', first + rounds * by],
      ['!==', first + rounds * by],
      [isUp ? '<=' : '>=', first + (rounds - 1) * by + Math.sign(by) * this.random.below(step)],
    ] as const)
    const count = step === 1 && this.once(2) ? (isUp ? '++' : '--') : ` ${isUp ? '+' : '-'}= ${step}`
    const inner = this.with({ ...around, loops: [...around.loops, { label }] }, places)
    const body = this.list(Math.min(1, depth - 1), inner)
    return {
      text: () =>
        `${label === undefined ? '' : `${label}: `}for (let ${name}: ${type.name} = ${first}; ${name} ${operator} ${bound}; ${name}${count}) ${block(body)}`,
      run(frame) {
        for (let round = 0; round < rounds; round++) {
          const ref = { bytes: new Uint8Array(8), at: 0 }
          store(ref, type, BigInt(first + round * by))
          frame.variables.set(id, ref)
          const left = runAll(body, frame)
          if (left === undefined) continue
          if (left.how === 'return' || (left.label !== undefined && left.label !== label)) return left
          if (left.how === 'break') return undefined
        }
        return undefined
      },
      parts: [body],
    }
  }

  protected loop(depth: number, around: Around): Statement {
    if (this.once(5)) return this.#counting(depth, around)
    const label = this.once(3) ? `l${this.newVariable()}` : undefined
    const counter = this.newName('c')
    const rounds = 1 + this.random.below(3)
    const id = this.newVariable()
    const at = (frame: Frame): Ref => frame.variables.get(id)!
    const isCounter: Place = { root: counter, text: counter, type: u32, at, isConst: true }
    const loops = [...around.loops, { label }]
    const kind = this.random.below(this.can.isCounted ? 10 : 6)
    const arrays = around.places.filter(({ type }) => type.kind === 'array' && type.length >= rounds)
    // An index that stays within the array, whatever its length is.
    const byCounter = [2, 3].includes(kind)
      ? arrays.flatMap((place): Place[] => {
          const { of } = place.type as { of: Type }
          return within({
            ...place,
            text: `${place.text}[${counter}]`,
            type: of,
            at(frame) {
              const ref = place.at(frame)
              return { bytes: ref.bytes, at: ref.at + Number(load(at(frame), u32)) * sizeOf(of) }
            },
          })
        })
      : []
    const inner = this.with({ ...around, loops }, [isCounter])
    const known = { ...inner, places: [...inner.places, ...byCounter.filter(({ root }) => root !== counter)] }
    const count = this.expression(around, 1)
    // The condition does not know what the loop declares; but a let in front of it is known.
    const test = this.condition([2, 3, 7, 9].includes(kind) ? around : inner, 1)
    const body = this.list(Math.min(1, depth - 1), known)
    const before = label === undefined ? '' : `${label}: `
    const setCounter = (frame: Frame, value: number): void => {
      const bytes = new Uint8Array(8)
      bytes[0] = value
      frame.variables.set(id, { bytes, at: 0 })
    }
    /** Runs the body while rounds are left. @param counted - what the counter is in a round */
    const repeat =
      (
        goesOn: (frame: Frame, round: number) => boolean,
        counted: (round: number) => number,
        isLate = false,
      ): Statement['run'] =>
      (frame) => {
        setCounter(frame, counted(0))
        for (let round = 0; ; round++) {
          if (!(isLate && round === 0)) {
            // What the condition sees.
            if (!goesOn(frame, round)) return undefined
          }
          setCounter(frame, counted(round))
          const left = runAll(body, frame)
          if (left === undefined) continue
          if (left.how === 'return') return left
          if (left.label !== undefined && left.label !== label) return left
          if (left.how === 'break') return undefined
        }
      }
    const text = (head: string, first: string, end = ''): string =>
      `${head} {\n${indent(`${first}${lines(body)}`)}\n}${end}`
    const parts = [body]
    const declared = `let ${counter}: u32 = 0\n${before}`
    switch (kind) {
      case 0:
        return {
          text: () => text(`${declared}while (${counter} < ${rounds} && (${test.text}))`, `${counter}++\n`),
          run: repeat(
            (frame, round) => {
              setCounter(frame, round)
              return round < rounds && test.holds(frame)
            },
            (round) => round + 1,
          ),
          parts,
        }
      case 1:
        return {
          text: () => text(`${declared}do`, `${counter} += 1\n`, ` while (${counter} < ${rounds})`),
          run: repeat(
            (_, round) => round < rounds,
            (round) => round + 1,
            true,
          ),
          parts,
        }
      case 2:
        return {
          text: () => text(`${before}for (const ${counter} of range(u32(${count.text}), ${rounds}))`, ''),
          run: (frame) => {
            const most = Math.min(rounds, Number(BigInt.asUintN(32, count.value(frame))))
            return repeat(
              (_, round) => round < most,
              (round) => round,
            )(frame)
          },
          parts,
        }
      case 4: {
        const step = 1 + this.random.below(2)
        return {
          text: () =>
            text(
              `${before}for (let ${counter}: u32 = 0; ${counter} < ${rounds * step}; ${counter} += ${step})`,
              '',
            ),
          run: repeat(
            (_, round) => round < rounds,
            (round) => round * step,
          ),
          parts,
        }
      }
      case 5:
        return {
          text: () =>
            text(
              `${before}for (let ${counter}: u32 = ${rounds}; ${counter} > 0 && (${test.text}); ${counter}--)`,
              '',
            ),
          run: repeat(
            (frame, round) => {
              setCounter(frame, rounds - round)
              return round < rounds && test.holds(frame)
            },
            (round) => rounds - round,
          ),
          parts,
        }
      case 6:
        return {
          text: () => text(`${declared}while (true)`, `if (${counter} >= ${rounds}) break\n${counter}++\n`),
          run: repeat(
            (_, round) => round < rounds,
            (round) => round + 1,
          ),
          parts,
        }
      case 7:
        return {
          text: () =>
            text(`${declared}while (${test.text})`, `if (${counter} >= ${rounds}) break\n${counter}++\n`),
          run: repeat(
            (frame, round) => {
              setCounter(frame, round)
              return test.holds(frame) && round < rounds
            },
            (round) => round + 1,
          ),
          parts,
        }
      case 8:
        return {
          text: () =>
            text(
              `${before}for (let ${counter}: u32 = 0; ; ${counter}++)`,
              `if (${counter} >= ${rounds}) break\n`,
            ),
          run: repeat(
            (_, round) => round < rounds,
            (round) => round,
          ),
          parts,
        }
      case 9:
        return {
          text: () => text(`${before}for (const ${counter} of range(u32(${count.text}) & 3))`, ''),
          run: (frame) => {
            const most = Number(count.value(frame) & 3n)
            return repeat(
              (_, round) => round < most,
              (round) => round,
            )(frame)
          },
          parts,
        }
      default:
        return {
          text: () => text(`${before}for (const ${counter} of range(${rounds}))`, ''),
          run: repeat(
            (_, round) => round < rounds,
            (round) => round,
          ),
          parts,
        }
    }
  }

  protected switch(depth: number, around: Around): Statement {
    const label = this.once(4) ? `l${this.newVariable()}` : undefined
    const inner: Around = { ...around, loops: [...around.loops, { label, isSwitch: true }] }
    const mask = this.one([3n, 15n, 255n])
    const of = this.expression(around, 1)
    const numbers = [0n, 1n, 2n, 3n, 7n, 200n].filter(() => this.once(2))
    const cases: { value: bigint | undefined; body: Statement[]; isLeft: boolean }[] = numbers.map(
      (value) => ({
        value,
        body: this.once(6) ? [] : this.list(depth - 1, inner),
        isLeft: this.once(2),
      }),
    )
    if (!this.once(3)) {
      const one = { value: undefined, body: this.list(depth - 1, inner), isLeft: this.once(2) }
      cases.splice(this.random.below(cases.length + 1), 0, one)
    }
    return {
      text: () =>
        `${label === undefined ? '' : `${label}: `}switch (${of.text} & ${mask}) {\n${cases
          .map(
            ({ value, body, isLeft }) =>
              `${value === undefined ? 'default' : `case ${value}`}: ${body.length === 0 && !isLeft ? '' : block(body)}${isLeft ? '\nbreak' : ''}`,
          )
          .join('\n')}\n}`,
      run(frame) {
        const type = promoted(of.type!)
        const value = wrap(type, wrap(type, of.value(frame)) & mask)
        const found = cases.findIndex((one) => one.value === value)
        const from = found >= 0 ? found : cases.findIndex((one) => one.value === undefined)
        for (const one of from < 0 ? [] : cases.slice(from)) {
          const left = runAll(one.body, frame)
          if (left !== undefined) {
            const isOwn = left.how === 'break' && (left.label === undefined || left.label === label)
            return isOwn ? undefined : left
          }
          if (one.isLeft) return undefined
        }
        return undefined
      },
      parts: cases.map(({ body }) => body),
    }
  }
}
