/* SPDX-License-Identifier: MIT */
/*
 * Ring buffers that count what they lose. The kernel does not: bpf_ringbuf_reserve() just returns NULL.
 *
 *     LIBBPF_NODE_RINGBUF(events, 1 << 20);
 *
 *     struct event *e = libbpf_node_reserve(events, struct event);
 *     if (!e)
 *       return 0;
 *     ...
 *     libbpf_node_submit(events, e);
 *
 * In Node.js `obj.ringBuffer('events', 'event').lost` is what was lost, of all CPUs. Where nothing is lost,
 * it costs nothing: the counter is only touched when there was no room.
 *
 * The reader is woken when it has read all that was there before; while it is busy nobody wakes it, which is
 * what the kernel does without flags. With a steady stream of events that is nearly one wake-up an event. Two
 * definitions before this is included make it less:
 *
 * - LIBBPF_NODE_NO_WAKEUP: never. The reader looks by itself (`interval` in its options).
 * - LIBBPF_NODE_WAKE_BYTES: when so many bytes wait to be read, say a quarter of the ring. The reader looks
 * by itself and is woken early in a burst (`interval` and `wakeable` in its options). The interval is needed:
 *   what is less than that wakes nobody, and of records that are submitted at the same moment on several CPUs
 *   none may be the one that passes the mark.
 */
#ifndef LIBBPF_NODE_BPF_H
#define LIBBPF_NODE_BPF_H

#include <bpf/bpf_helpers.h>

#if defined(LIBBPF_NODE_NO_WAKEUP)
#define LIBBPF_NODE_FLAGS(name, size) 1 /* BPF_RB_NO_WAKEUP */
#define LIBBPF_NODE_OUTPUT_FLAGS LIBBPF_NODE_FLAGS
#elif defined(LIBBPF_NODE_WAKE_BYTES)
/* `waiting` is what waits to be read with the record in question, which takes `taken` bytes: the one that
 * passes the mark wakes. */
static __attribute__((always_inline, unused)) unsigned long long libbpf_node_flags(unsigned long long waiting,
                                                                                   unsigned long long taken) {
  return waiting - (LIBBPF_NODE_WAKE_BYTES) < taken ? 2 /* BPF_RB_FORCE_WAKEUP */ : 1 /* BPF_RB_NO_WAKEUP */;
}
#define LIBBPF_NODE_IN_RING(size) ((((unsigned long long)(size) + 7) & ~7ULL) + 8)
#define LIBBPF_NODE_FLAGS(name, size) \
  libbpf_node_flags(bpf_ringbuf_query(&name, 0 /* BPF_RB_AVAIL_DATA */), LIBBPF_NODE_IN_RING(size))
/* What is copied is not in the ring yet. */
#define LIBBPF_NODE_OUTPUT_FLAGS(name, size)                                                         \
  libbpf_node_flags(bpf_ringbuf_query(&name, 0 /* BPF_RB_AVAIL_DATA */) + LIBBPF_NODE_IN_RING(size), \
                    LIBBPF_NODE_IN_RING(size))
#else
#define LIBBPF_NODE_FLAGS(name, size) 0
#define LIBBPF_NODE_OUTPUT_FLAGS LIBBPF_NODE_FLAGS
#endif

/*
 * Says of which type a map's records are, behind its declaration; `libbpf-node gen` reads it. The type has to
 * be mentioned by a global as well, or clang leaves it out of BTF. Needs clang 14.
 *
 *     struct {
 *       ...
 *     } events SEC(".maps") LIBBPF_NODE_RECORD(struct event);
 *     struct event *unused_event __attribute__((unused));
 */
#define LIBBPF_NODE_RECORD(type) __attribute__((btf_decl_tag("record:" #type)))

/* Documentation of a type, member, variable or map, for generated code. */
#define LIBBPF_NODE_DOC(text) __attribute__((btf_decl_tag("doc:" text)))

/* A ring buffer map of `bytes` (a power of two, and of pages), and the array in which its losses are counted.
 */
#define LIBBPF_NODE_RINGBUF(name, bytes)     \
  struct {                                   \
    __uint(type, BPF_MAP_TYPE_RINGBUF);      \
    __uint(max_entries, bytes);              \
  } name SEC(".maps");                       \
  struct {                                   \
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); \
    __uint(max_entries, 1);                  \
    __type(key, unsigned int);               \
    __type(value, unsigned long long);       \
  } name##_lost SEC(".maps")

static __attribute__((noinline, unused)) void libbpf_node_count_loss(void* lost) {
  unsigned int zero = 0;
  unsigned long long* count = bpf_map_lookup_elem(lost, &zero);
  if (count) /* Programs of one CPU interrupt each other. */
    __sync_fetch_and_add(count, 1);
}

/* Room for a record of `type`, or NULL. */
#define libbpf_node_reserve(name, type)                          \
  ({                                                             \
    type* record_ = bpf_ringbuf_reserve(&name, sizeof(type), 0); \
    if (!record_) libbpf_node_count_loss(&name##_lost);          \
    record_;                                                     \
  })

#define libbpf_node_submit(name, record) \
  bpf_ringbuf_submit(record, LIBBPF_NODE_FLAGS(name, sizeof(*(record))))
#define libbpf_node_discard(name, record) \
  bpf_ringbuf_discard(record, LIBBPF_NODE_FLAGS(name, sizeof(*(record))))

/* Copies a record of `size` bytes, which need not be a constant, into the ring; 0, or a negative errno. */
#define libbpf_node_output(name, data, size)                                                   \
  ({                                                                                           \
    long error_ = bpf_ringbuf_output(&name, data, size, LIBBPF_NODE_OUTPUT_FLAGS(name, size)); \
    if (error_) libbpf_node_count_loss(&name##_lost);                                          \
    error_;                                                                                    \
  })

/*
 * The same program for kernels without ring buffers, before Linux 5.8, where the records go through a perf
 * buffer. Node.js decides which when it loads the object; `obj.events('events', 'event')` reads either.
 *
 *     LIBBPF_NODE_EVENTS(events, 1 << 20, struct event);
 *
 *     struct event *e = libbpf_node_events_reserve(events, struct event);
 *     if (!e)
 *       return 0;
 *     ...
 *     libbpf_node_events_submit(ctx, events, e, struct event);
 */
#define LIBBPF_NODE_EVENTS(name, bytes, record_type)            \
  const volatile unsigned char name##_use_perf = 0;             \
  LIBBPF_NODE_RINGBUF(name, bytes);                             \
  /* Where records are made on their way into a perf buffer. */ \
  struct {                                                      \
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                    \
    __uint(max_entries, 1);                                     \
    __type(key, unsigned int);                                  \
    __type(value, record_type);                                 \
  } name##_heap SEC(".maps")

#define libbpf_node_events_reserve(name, record_type)     \
  ({                                                      \
    unsigned int zero_ = 0;                               \
    record_type* event_;                                  \
    if (name##_use_perf)                                  \
      event_ = bpf_map_lookup_elem(&name##_heap, &zero_); \
    else                                                  \
      event_ = libbpf_node_reserve(name, record_type);    \
    event_;                                               \
  })

#define libbpf_node_events_submit(ctx, name, record, record_type)                                     \
  do {                                                                                                \
    if (name##_use_perf)                                                                              \
      bpf_perf_event_output(ctx, &name, 0xffffffffULL /* this CPU's */, record, sizeof(record_type)); \
    else                                                                                              \
      libbpf_node_submit(name, record);                                                               \
  } while (0)

#endif
