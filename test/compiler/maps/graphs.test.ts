// Objects that programs allocate, and lists and trees of them.
import { BpfObject } from 'libbpf-node'
import { readObject } from 'libbpf-node/asm'
import { CompileError, type CompileOptions, compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import { compile as compileC } from '../../helpers/compile.js'
import { requiresKernel } from '../../helpers/kernel.js'
import { classifier, load } from './run.js'

const list = `
  interface Job { id: u32; link: listNode; more: u64; name: char<16> }
  interface Queue { lock: spinLock; jobs: list<Job> }
  export const queues = array<Queue>(2)
  export let found = data<array<u64, 8>>()`
const tree = `
  interface Job { id: u32; by: treeNode; more: u64 }
  interface Queue { lock: spinLock; jobs: tree<Job> }
  export const queues = hash<u32, Queue>(4)
  export let found = data<array<u64, 8>>()`

/** Runs a program in the kernel and in the emulator, and expects the same of both. */
function run(head: string, body: string): number[] {
  const text = classifier(head, body)
  const { object, run, data } = load(text)
  using _ = object
  expect(run()).toBe(0)
  const found = [...(data.found as bigint[])].map(Number)
  const emulator = Emulator.open(compile(`${text}\nexport const license = 'GPL'`).object)
  expect(emulator.program('p').run({ packet: new Uint8Array(64) }).retval).toBe(0)
  expect(emulator.get<bigint[]>('found').map(Number), 'in the emulator').toEqual(found)
  return found
}

const there = 'const queue = queues.get(0); if (!queue) return 8;'

describe('a list of objects', () => {
  requiresKernel('6.6', 'is filled and emptied at both ends', () => {
    const found = run(
      list,
      `${there}
      for (const i of range(4)) {
        const job = allocate<Job>()
        if (!job) return 1
        if (job.id !== 0 || job.more !== 0 || job.name !== '') { free(job); return 2 }
        job.id = i + 1
        job.more += 10
        job.name = 'a job'
        queue.lock.acquire()
        if (i < 3) queue.jobs.pushBack(job)
        else queue.jobs.pushFront(job)
        queue.lock.release()
      }
      let i: u32 = 0
      while (true) {
        queue.lock.acquire()
        const next = queue.jobs.popFront()
        queue.lock.release()
        if (!next) break
        if (next.name !== 'a job' || next.more !== 10) { free(next); return 3 }
        found[i & 7] = next.id
        i += 1
        free(next)
      }
      queue.lock.acquire()
      const none = queue.jobs.popBack()
      queue.lock.release()
      if (none) { free(none); return 4 }
      found[7] = i`,
    )
    expect(found).toEqual([4, 1, 2, 3, 0, 0, 0, 4])
  })

  requiresKernel('6.6', 'keeps objects between runs, which may go to another list', () => {
    const { object, run, data } = load(
      `${list}
      function note(job: Job, by: u64): void { job.more += by }
      export const p = tc((packet) => {
        const queue = queues.get(0)
        if (!queue) return 8
        const job = allocate<Job>()
        if (!job) return 1
        job.id = 7
        note(job, 5)
        note(job, 6)
        queue.lock.acquire()
        queue.jobs.pushBack(job)
        queue.lock.release()
        return 0
      })
      export const q = tc((packet) => {
        const queue = queues.get(0)
        const other = queues.get(1)
        if (!queue || !other) return 8
        queue.lock.acquire()
        const job = queue.jobs.popBack()
        queue.lock.release()
        if (!job) return 2
        job.id += 1
        found[0] = job.more
        found[1] = job.id
        other.lock.acquire()
        other.jobs.pushFront(job)
        other.lock.release()
        return 0
      })`,
    )
    using _ = object
    expect([run('q'), run('p'), run('q'), run('q')]).toEqual([2, 0, 0, 2])
    expect([...(data.found as bigint[])].slice(0, 2)).toEqual([11n, 8n])
  })

  requiresKernel('6.6', 'can be emptied by programs that allocate nothing', () => {
    const { object, run } = load(
      classifier(
        list,
        `${there} queue.lock.acquire(); const job = queue.jobs.popBack(); queue.lock.release(); if (job) free(job); return 3`,
      ),
    )
    using _ = object
    expect(run()).toBe(3)
  })

  requiresKernel('6.6', 'has about as many instructions as in C', () => {
    const c = `
      typedef unsigned long long u64;
      struct bpf_spin_lock { unsigned val; };
      struct bpf_list_head { u64 a[2]; } __attribute__((aligned(8)));
      struct bpf_list_node { u64 a[3]; } __attribute__((aligned(8)));
      #define ksym __attribute__((section(".ksyms")))
      extern void *bpf_obj_new_impl(u64, void *) ksym;
      extern void bpf_obj_drop_impl(void *, void *) ksym;
      extern int bpf_list_push_back_impl(struct bpf_list_head *, struct bpf_list_node *, void *, u64) ksym;
      extern struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *) ksym;
      static void *(*lookup)(void *, const void *) = (void *)1;
      static long (*lock)(struct bpf_spin_lock *) = (void *)93;
      static long (*unlock)(struct bpf_spin_lock *) = (void *)94;
      struct job { unsigned id; struct bpf_list_node link; u64 more; };
      struct queue { struct bpf_spin_lock lock;
        struct bpf_list_head jobs __attribute__((btf_decl_tag("contains:job:link"))); };
      struct { int (*type)[2]; unsigned *key; struct queue *value; int (*max_entries)[1]; }
        queues __attribute__((section(".maps")));
      u64 found __attribute__((section(".data"))) = 0;
      __attribute__((section("tc"))) int p(void *ctx) {
        unsigned key = 0;
        struct queue *queue = lookup(&queues, &key);
        if (!queue) return 0;
        struct job *job = bpf_obj_new_impl(__builtin_preserve_type_info(*(struct job *)0, 0) * 0 +
          __builtin_btf_type_id(*(struct job *)0, 0), 0);
        if (!job) return 0;
        job->id = 0;
        job->more = 0;
        job->id = 7;
        lock(&queue->lock);
        bpf_list_push_back_impl(&queue->jobs, &job->link, 0, 0);
        struct bpf_list_node *node = bpf_list_pop_front(&queue->jobs);
        unlock(&queue->lock);
        if (!node) return 0;
        struct job *mine = (void *)node - __builtin_offsetof(struct job, link);
        found = mine->id;
        bpf_obj_drop_impl(mine, 0);
        return 0;
      }
      char LICENSE[] __attribute__((section("license"))) = "GPL";`
    const text = `
      interface Job { id: u32; link: listNode; more: u64 }
      interface Queue { lock: spinLock; jobs: list<Job> }
      export const queues = array<Queue>(1)
      export let found = data<u64>(0)
      export const p = tc((packet) => {
        const queue = queues.get(0)
        if (!queue) return 0
        const job = allocate<Job>()
        if (!job) return 0
        job.id = 7
        queue.lock.acquire()
        queue.jobs.pushBack(job)
        const mine = queue.jobs.popFront()
        queue.lock.release()
        if (!mine) return 0
        found = mine.id
        free(mine)
        return 0
      })
      export const license = 'GPL'`
    const objects = [compileC('clang', ['-O2', '-g', '-target', 'bpf', '-c'], c), compile(text).object]
    const [inC, ours] = objects.map((bytes) => {
      using opened = BpfObject.open(bytes)
      opened.loadSync()
      opened.program('p').testRunSync({ data: new Uint8Array(64) })
      const size = readObject(bytes).functions.find(({ name }) => name === 'p')!.instructions.length
      return { found: (opened.data as { found: bigint }).found, size }
    })
    expect([inC!.found, ours!.found]).toEqual([7n, 7n])
    expect(ours!.size).toBeLessThanOrEqual(inC!.size * 1.15)
  })
})

describe('a tree of objects', () => {
  requiresKernel('6.6', 'has them in their order', () => {
    const found = run(
      tree,
      `const empty = zero<Queue>()
      queues.set(0, empty)
      ${there}
      for (const i of range(5)) {
        const job = allocate<Job>()
        if (!job) return 1
        job.id = (i * 7 + 3) % 5
        job.more = i
        queue.lock.acquire()
        queue.jobs.add(job, (a, b) => a.id < b.id)
        queue.lock.release()
      }
      for (const i of range(6)) {
        queue.lock.acquire()
        const first = queue.jobs.first()
        if (!first) { queue.lock.release(); found[7] = i; return 0 }
        const id = first.id
        const mine = queue.jobs.remove(first)
        queue.lock.release()
        if (!mine) return 2
        found[i] = mine.id * 10 + id
        free(mine)
      }`,
    )
    expect(found).toEqual([0, 11, 22, 33, 44, 0, 0, 5])
  })

  requiresKernel('6.6', 'may be one of several, whose functions have statements', () => {
    const found = run(
      `
      interface Job { id: u32; age: u32; byId: treeNode; byAge: treeNode }
      interface Queue { lock: spinLock; ids: tree<Job, 'byId'>; ages: tree<Job, 'byAge'> }
      export const queues = array<Queue>(1)
      export let found = data<array<u64, 8>>()`,
      `${there}
      for (const i of range(6)) {
        const job = allocate<Job>()
        if (!job) return 1
        job.id = i
        job.age = 10 - i
        queue.lock.acquire()
        queue.ids.add(job, (a, b) => a.id < b.id)
        queue.lock.release()
      }
      for (const i of range(3)) {
        queue.lock.acquire()
        const first = queue.ids.first()
        if (!first) { queue.lock.release(); return 2 }
        const mine = queue.ids.remove(first)
        if (!mine) { queue.lock.release(); return 3 }
        queue.ages.add(mine, (a, b) => {
          if (a.age === b.age) return a.id < b.id
          return a.age < b.age
        })
        const least = queue.ages.first()
        if (least) found[i] = least.age
        queue.lock.release()
      }`,
    )
    expect(found).toEqual([10, 9, 8, 0, 0, 0, 0, 0])
  })
})

describe('a kptr to an object', () => {
  requiresKernel('6.6', 'keeps a single one in a map', () => {
    const found = run(
      `
      interface Job { id: u32; more: u64 }
      interface Slot { job: kptr<Job>; n: u32 }
      export const slots = array<Slot>(1)
      export let found = data<array<u64, 8>>()`,
      `const slot = slots.get(0)
      if (!slot) return 8
      for (const i of range(3)) {
        const job = allocate<Job>()
        if (!job) return 1
        job.id = i + 5
        const before = slot.job.xchg(job)
        if (before) { found[i] = before.id; free(before) }
      }
      const mine = slot.job.xchg(null)
      if (!mine) return 2
      mine.more = mine.id * 2
      found[3] = mine.more
      const none = slot.job.xchg(mine)
      if (none) { free(none); return 3 }`,
    )
    expect(found).toEqual([0, 5, 6, 14, 0, 0, 0, 0])
  })

  requiresKernel('6.12', 'may be in another object', () => {
    const found = run(
      `
      interface Inner { id: u32 }
      interface Job { n: u32; link: listNode; inner: kptr<Inner> }
      interface Queue { lock: spinLock; jobs: list<Job> }
      export const queues = array<Queue>(1)
      export let found = data<array<u64, 8>>()`,
      `${there}
      const inner = allocate<Inner>()
      if (!inner) return 1
      inner.id = 3
      const job = allocate<Job>()
      if (!job) { free(inner); return 2 }
      const old = job.inner.xchg(inner)
      if (old) free(old)
      queue.lock.acquire()
      queue.jobs.pushBack(job)
      const next = queue.jobs.popFront()
      queue.lock.release()
      if (!next) return 3
      const mine = next.inner.xchg(null)
      if (mine) { found[0] = mine.id; free(mine) }
      free(next)`,
    )
    expect(found[0]).toBe(3)
  })
})

function mistake(head: string, body: string, options: CompileOptions = {}): string {
  try {
    compile(`${classifier(head, body)}\nexport const license = 'GPL'`, options)
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    return [error.reason, error.hint].filter(Boolean).join(' | ')
  }
  return 'compiled'
}

describe('a mistake with a list or a tree', () => {
  const job = 'const job = allocate<Job>(); if (!job) return 1;'
  const locked = (body: string) =>
    `${there} ${job} queue.lock.acquire(); ${body}; queue.lock.release(); return 0`

  it.each<[string, string, string]>([
    [
      'interface Q { jobs: list }',
      '',
      'a list has the type of what is in it | Write list<Job>, with an interface Job.',
    ],
    [
      'interface Q { jobs: list<u32> }',
      '',
      'a list has objects of an interface | Write interface Job { link: listNode; id: u32 }.',
    ],
    [
      'interface J { id: u32 }\ninterface Q { jobs: tree<J> }',
      '',
      'J has no member of the type treeNode, by which a tree could have it | Write interface J { link: treeNode; ... }.',
    ],
    [
      'interface J { a: listNode; b: listNode }\ninterface Q { jobs: list<J> }',
      '',
      "a list has the objects by one of their members: a, b | Write list<J, 'a'>.",
    ],
    [
      'interface J { a: listNode; b: treeNode }\ninterface Q { jobs: list<J> }',
      '',
      'the kernel has an object either in lists or in trees, and J has members for both | Write an interface for each.',
    ],
  ])('%s', (head, body, expected) => {
    expect(mistake(head, body)).toBe(expected)
  })

  requiresKernel('6.6', 'has a place and a hint', () => {
    const taken: readonly (readonly [string, string])[] = [
      [
        `${job} return 0`,
        "the reference 'job' is still held here | Call free(job), or put it into a list or a tree.",
      ],
      [
        'const job = allocate<Job>(); free(job)',
        "'job' may be null here | Compare it first: if (!job) return TC.PASS.",
      ],
      [
        'allocate<Job>()',
        'this reference is held and nothing can release it | Write const object = allocate<Job>().',
      ],
      [
        'const job = allocate<u32>()',
        'an object has the type of an interface | Write interface Job { id: u32 }.',
      ],
      [`${job} free(job); found[0] = job.id`, "the reference 'job' was released, and may no longer be valid"],
      [`${job} free(job); free(job)`, "'job' was freed before, or is in a list or a tree"],
      [
        `${there} free(queue)`,
        'free takes an object that was allocated, by its name | Write const job = allocate<Job>(), and compare it with null.',
      ],
      [
        `${there} ${job} queue.jobs.pushBack(job)`,
        'a list or a tree is only used while the lock next to it is held | Write queue.lock.acquire() first, with a member lock: spinLock in its interface.',
      ],
      [
        `${there} const other = queues.get(1); if (!other) return 1; ${job} other.lock.acquire(); queue.jobs.pushBack(job); other.lock.release()`,
        "the lock 'other.lock' is not that of the value which has 'queue.jobs' | Write queue.lock.acquire() first, with a member lock: spinLock in its interface.",
      ],
      [
        locked('queue.jobs.push(job)'),
        "a list has no function 'push' | It has pushFront, pushBack, popFront, popBack.",
      ],
      [
        locked('queue.jobs.pushBack(job); found[0] = job.id'),
        "the reference 'job' was released, and may no longer be valid",
      ],
      [locked('queue.jobs.pushBack()'), 'pushBack has 1 argument, and 0 are given'],
      [
        locked('free(job)'),
        "the kernel cannot be called while the lock 'queue.lock' is held | Call queue.lock.release() first.",
      ],
      [
        `${there} queue.lock.acquire(); const one = queue.jobs.popBack(); queue.lock.release(); return 0`,
        "the reference 'one' is still held here | Call free(one), or put it into a list or a tree.",
      ],
    ]
    for (const [body, expected] of taken) expect(mistake(list, body), body).toBe(expected)
    const first = `${there} queue.lock.acquire(); const first = queue.jobs.first()`
    const inTrees: readonly (readonly [string, string])[] = [
      [
        `${first}; queue.lock.release(); if (first) found[0] = first.id`,
        "'first' may be gone: it is only there while the lock is held, and until something is taken out | Look at it earlier, or take it out: const mine = tree.remove(node).",
      ],
      [
        `${first}; found[0] = first.id; queue.lock.release()`,
        "'first' may be null here | Compare it first: if (!first) return TC.PASS.",
      ],
      [
        `${first}; if (first) queue.jobs.add(first, (a, b) => a.id < b.id); queue.lock.release()`,
        "'first' is in a tree | Take it out first: const mine = tree.remove(first).",
      ],
      [
        locked('queue.jobs.add(job, 1)'),
        'add needs a function that compares two objects | Write (a, b) => a.id < b.id.',
      ],
      [
        locked('queue.jobs.add(job, (a, b) => bpf.ktimeGetNs() > a.id)'),
        "the kernel cannot be called while the lock 'queue.lock' is held | Call queue.lock.release() first.",
      ],
      [
        `${there} ${job} queue.lock.acquire(); const mine = queue.jobs.remove(job); queue.lock.release()`,
        'remove takes what first() of the tree has returned, and this is an object | Write const node = tree.first(), and compare it with null.',
      ],
    ]
    for (const [body, expected] of inTrees) expect(mistake(tree, body), body).toBe(expected)
    const kept = 'interface J { n: u32 }\ninterface S { j: kptr<J> }\nexport const slots = array<S>(1)'
    const slot = 'const slot = slots.get(0); if (!slot) return 1;'
    const inKptrs: readonly (readonly [string, string])[] = [
      [
        `${slot} slot.j.xchg(null)`,
        'this reference is held and nothing can release it | Write const object = slot.j.xchg(...).',
      ],
      [
        `${slot} const j = slot.j.get(); return 0`,
        'an object in a kptr cannot be looked at where it is | Take it out: const object = slot.j.xchg(null).',
      ],
      [
        `${slot} const j = slot.j.xchg(slot); return 0`,
        'xchg takes an object that was allocated, by its name | Write const job = allocate<J>(), and compare it with null.',
      ],
    ]
    for (const [body, expected] of inKptrs) expect(mistake(kept, body), body).toBe(expected)
    expect(mistake(list, `${job} free(job)`, { oldestKernel: '6.1' })).toBe(
      'allocate needs Linux 6.6, and the program has to load into 6.1',
    )
    expect(() => compile(classifier(list, `${job} free(job)`))).toThrow(
      'allocate is only for programs with a license that is compatible with the GPL',
    )
  })
})

describe('the emulator', () => {
  const emulated = (body: string) =>
    Emulator.open(compile(`${classifier(list, body)}\nexport const license = 'GPL'`).object)
  const packet = new Uint8Array(64)

  requiresKernel('6.6', 'keeps what is in a list from run to run, and reuses what was freed', () => {
    const emulator = emulated(
      `${there}
      const job = allocate<Job>()
      if (!job) return 1
      job.id = u32(found[0])
      found[0] += 1
      queue.lock.acquire()
      queue.jobs.pushBack(job)
      const first = found[0] > 3 ? 1 : 0
      queue.lock.release()
      if (first === 0) return 0
      queue.lock.acquire()
      const oldest = queue.jobs.popFront()
      queue.lock.release()
      if (!oldest) return 2
      found[1] = oldest.id
      free(oldest)`,
    )
    for (let i = 0; i < 3000; i++) expect(emulator.program('p').run({ packet }).retval).toBe(0)
    expect(emulator.get<bigint[]>('found').slice(0, 2)).toEqual([3000n, 2996n])
  })
})
