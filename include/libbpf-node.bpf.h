/* SPDX-License-Identifier: MIT */
/*
 * Ring buffers that count lost records. The kernel does not count them: bpf_ringbuf_reserve() returns NULL,
 * and the record is gone.
 *
 *     LIBBPF_NODE_RINGBUF(events, 1 << 20);
 *
 *     struct event *e = libbpf_node_reserve(events, struct event);
 *     if (!e)
 *       return 0;
 *     ...
 *     libbpf_node_submit(events, e);
 *
 * In Node.js, `obj.ringBuffer('events', 'event').lost` is the number of lost records on all CPUs. The counter
 * is only touched when the ring is full, so it costs nothing otherwise.
 *
 * A program wakes up the reader when the reader has read everything before the new record. This is also what
 * the kernel does without flags. With a steady stream of events, it means almost one wake-up per event. To
 * have fewer wake-ups, define one of these before you include this header:
 *
 * - LIBBPF_NODE_NO_WAKEUP: never wake up the reader. It polls (`interval` in its options).
 * - LIBBPF_NODE_WAKE_BYTES: wake up the reader when this many bytes are waiting, for example a quarter of the
 *   ring. The reader polls and is woken up early in a burst (`interval` and `wakeable` in its options). The
 *   interval is required: a few bytes alone do not wake up the reader, and neither do records that several
 * CPUs submit at the same moment, because then none of them may pass the limit.
 */
#ifndef LIBBPF_NODE_BPF_H
#define LIBBPF_NODE_BPF_H

#include <bpf/bpf_helpers.h>

#if defined(LIBBPF_NODE_NO_WAKEUP)
#define LIBBPF_NODE_FLAGS(name, size) 1 /* BPF_RB_NO_WAKEUP */
#define LIBBPF_NODE_OUTPUT_FLAGS LIBBPF_NODE_FLAGS
#elif defined(LIBBPF_NODE_WAKE_BYTES)
/* `waiting` is the number of unread bytes, including this record of `taken` bytes. The record that passes the
 * limit wakes up the reader. */
static __attribute__((always_inline, unused)) unsigned long long libbpf_node_flags(unsigned long long waiting,
                                                                                   unsigned long long taken) {
  return waiting - (LIBBPF_NODE_WAKE_BYTES) < taken ? 2 /* BPF_RB_FORCE_WAKEUP */ : 1 /* BPF_RB_NO_WAKEUP */;
}
#define LIBBPF_NODE_IN_RING(size) ((((unsigned long long)(size) + 7) & ~7ULL) + 8)
#define LIBBPF_NODE_FLAGS(name, size) \
  libbpf_node_flags(bpf_ringbuf_query(&name, 0 /* BPF_RB_AVAIL_DATA */), LIBBPF_NODE_IN_RING(size))
/* The record is not in the ring yet. */
#define LIBBPF_NODE_OUTPUT_FLAGS(name, size)                                                         \
  libbpf_node_flags(bpf_ringbuf_query(&name, 0 /* BPF_RB_AVAIL_DATA */) + LIBBPF_NODE_IN_RING(size), \
                    LIBBPF_NODE_IN_RING(size))
#else
#define LIBBPF_NODE_FLAGS(name, size) 0
#define LIBBPF_NODE_OUTPUT_FLAGS LIBBPF_NODE_FLAGS
#endif

/*
 * Declares the type of a map's records, for `libbpf-node gen`. Write it after the map. clang emits BTF only
 * for types that a global refers to, so add a pointer to the type. Requires clang 14.
 *
 *     LIBBPF_NODE_RINGBUF(events, 1 << 20) LIBBPF_NODE_RECORD(struct event);
 *     struct event *unused_event __attribute__((unused));
 */
#define LIBBPF_NODE_RECORD(type) __attribute__((btf_decl_tag("record:" #type)))

/* Documents a type, member, variable or map in generated code. */
#define LIBBPF_NODE_DOC(text) __attribute__((btf_decl_tag("doc:" text)))

/* A ring buffer of `bytes`, which must be a power of two and a multiple of the page size, and the array that
 * counts its lost records. The ring buffer comes last, so that attributes after the macro apply to it. */
#define LIBBPF_NODE_RINGBUF(name, bytes)     \
  struct {                                   \
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); \
    __uint(max_entries, 1);                  \
    __type(key, unsigned int);               \
    __type(value, unsigned long long);       \
  } name##_lost SEC(".maps");                \
  struct {                                   \
    __uint(type, BPF_MAP_TYPE_RINGBUF);      \
    __uint(max_entries, bytes);              \
  } name SEC(".maps")

static __attribute__((noinline, unused)) void libbpf_node_count_loss(void* lost) {
  unsigned int zero = 0;
  unsigned long long* count = bpf_map_lookup_elem(lost, &zero);
  if (count) /* Atomic, because programs on one CPU can interrupt each other. */
    __sync_fetch_and_add(count, 1);
}

/* Reserves room for a record of `type`. NULL if the ring is full. */
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

/* Copies a record of `size` bytes into the ring; the size need not be constant. Returns 0 or a negative
 * errno. */
#define libbpf_node_output(name, data, size)                                                   \
  ({                                                                                           \
    long error_ = bpf_ringbuf_output(&name, data, size, LIBBPF_NODE_OUTPUT_FLAGS(name, size)); \
    if (error_) libbpf_node_count_loss(&name##_lost);                                          \
    error_;                                                                                    \
  })

/*
 * For programs that also run on kernels without ring buffers, which are those before Linux 5.8. There, the
 * records go through a perf buffer. The choice is made in Node.js when the object is loaded, and
 * `obj.events('events', 'event')` reads from both.
 *
 *     LIBBPF_NODE_EVENTS(events, 1 << 20, struct event);
 *
 *     struct event *e = libbpf_node_events_reserve(events, struct event);
 *     if (!e)
 *       return 0;
 *     ...
 *     libbpf_node_events_submit(ctx, events, e, struct event);
 */
#define LIBBPF_NODE_EVENTS(name, bytes, record_type)                 \
  const volatile unsigned char name##_use_perf = 0;                  \
  /* A record is built here before it is copied to a perf buffer. */ \
  struct {                                                           \
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                         \
    __uint(max_entries, 1);                                          \
    __type(key, unsigned int);                                       \
    __type(value, record_type);                                      \
  } name##_heap SEC(".maps");                                        \
  LIBBPF_NODE_RINGBUF(name, bytes)

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

#define libbpf_node_events_submit(ctx, name, record, record_type)                                   \
  do {                                                                                              \
    if (name##_use_perf)                                                                            \
      bpf_perf_event_output(ctx, &name, 0xffffffffULL /* this CPU */, record, sizeof(record_type)); \
    else                                                                                            \
      libbpf_node_submit(name, record);                                                             \
  } while (0)

#include "libbpf-node-log.bpf.h"

#endif
