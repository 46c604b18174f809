import { label, type Sample } from './sample.js'

/** The file format of https://www.speedscope.app, with a profile for each thread name. */
export interface Speedscope {
  readonly $schema: 'https://www.speedscope.app/file-format-schema.json'
  readonly name: string
  readonly exporter: string
  readonly shared: { readonly frames: readonly { readonly name: string; readonly file: string }[] }
  readonly profiles: readonly {
    readonly type: 'sampled'
    readonly name: string
    readonly unit: 'none' | 'nanoseconds'
    readonly startValue: 0
    readonly endValue: number
    readonly samples: readonly (readonly number[])[]
    readonly weights: readonly number[]
  }[]
}

export function speedscope(
  samples: readonly Sample[],
  { title, unit }: { title: string; unit: 'none' | 'nanoseconds' },
): Speedscope {
  const frames: { name: string; file: string }[] = []
  const indexes = new Map<string, number>()
  const groups = new Map<string, Sample[]>()
  for (const sample of samples) {
    const group = groups.get(sample.comm) ?? []
    groups.set(sample.comm, group)
    group.push(sample)
  }
  const indexOf = (frame: Sample['frames'][number]): number => {
    const key = `${frame.module}\0${label(frame)}`
    let index = indexes.get(key)
    if (index === undefined) {
      index = frames.push({ name: label(frame), file: frame.source?.file || frame.module }) - 1
      indexes.set(key, index)
    }
    return index
  }
  const profiles = [...groups].map(([comm, group]) => ({
    type: 'sampled' as const,
    name: comm,
    unit,
    startValue: 0 as const,
    endValue: group.reduce((sum, { value }) => sum + value, 0),
    // The outermost frame comes first.
    samples: group.map((sample) => sample.frames.map(indexOf).reverse()),
    weights: group.map(({ value }) => value),
  }))
  return {
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    name: title,
    exporter: 'libbpf-node',
    shared: { frames },
    profiles,
  }
}
