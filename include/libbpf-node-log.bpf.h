/* SPDX-License-Identifier: MIT */
/*
 * Logging: a program records the values, and Node.js writes the text. libbpf-node.bpf.h includes this header.
 *
 *     LIBBPF_NODE_LOGS(1 << 18);
 *
 *     libbpf_node_log(info, "%s opened %s with flags %x", comm, path, flags);
 *
 * In Node.js, `logTo(obj, logger)` of libbpf-node/log passes each line to a logger, with its level, the place
 * in the source, and the values by their names: { comm: 'cat', path: '/etc/hosts', flags: 32768 }.
 *
 * The levels are trace, debug, info, warn, error and fatal. The global variable `libbpf_node_log_level` is
 * the lowest one that is recorded, 30 (info) at first. It can be changed before and after load, and `logTo`
 * does so.
 *
 * The format is a literal. It is checked like that of printf, but is not required to mention all values. A
 * value is:
 *
 * - a number, an enum, a bool, or a pointer, as it is; a bit-field with a plus sign in front, +flags.urgent
 * - a struct, which is copied. It has a name in the logger, but no place in the text
 * - an array. It is copied; an array of char ends at its zero byte
 * - a `char *` to text of the program or the kernel, of which LIBBPF_NODE_LOG_TEXT bytes are copied, 64 by
 * default
 * - libbpf_node_user(pointer), for text in the memory of the process
 *
 * There are at most 12 values. Requires Linux 5.8.
 */
#ifndef LIBBPF_NODE_LOG_BPF_H
#define LIBBPF_NODE_LOG_BPF_H

/* How many bytes of text behind a pointer are recorded, with the zero byte. */
#ifndef LIBBPF_NODE_LOG_TEXT
#define LIBBPF_NODE_LOG_TEXT 64
#endif

/* The levels have the numbers that pino gives them. */
enum {
  LIBBPF_NODE_LEVEL_trace = 10,
  LIBBPF_NODE_LEVEL_debug = 20,
  LIBBPF_NODE_LEVEL_info = 30,
  LIBBPF_NODE_LEVEL_warn = 40,
  LIBBPF_NODE_LEVEL_error = 50,
  LIBBPF_NODE_LEVEL_fatal = 60,
};

/* Text in the memory of the running process. */
struct libbpf_node_user_text;
#define libbpf_node_user(pointer) ((const struct libbpf_node_user_text*)(pointer))

/* The ring of an object that logs, of `bytes` as in LIBBPF_NODE_RINGBUF. If several source files are linked
 * into one object, each has this line. */
#define LIBBPF_NODE_LOGS(bytes)                                                     \
  struct {                                                                          \
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                        \
    __uint(max_entries, 1);                                                         \
    __type(key, unsigned int);                                                      \
    __type(value, unsigned long long);                                              \
  } node_logs_lost SEC(".maps") __attribute__((weak));                              \
  struct {                                                                          \
    __uint(type, BPF_MAP_TYPE_RINGBUF);                                             \
    __uint(max_entries, bytes);                                                     \
  } node_logs SEC(".maps") __attribute__((weak));                                   \
  const char node_logs_base[8] SEC(".rodata.node_logs") __attribute__((weak)) = ""; \
  unsigned int libbpf_node_log_level SEC(".data") __attribute__((weak)) = LIBBPF_NODE_LEVEL_info

/* Without LIBBPF_NODE_LOGS in a file, clang says here that node_logs is undeclared. */
#define libbpf_node_log(severity, text, ...)                                                           \
  do {                                                                                                 \
    LIBBPF_NODE_CHECK_FORMAT(text, ##__VA_ARGS__)                                                      \
    if (LIBBPF_NODE_LEVEL_##severity >= libbpf_node_log_level) {                                       \
      LIBBPF_NODE_EACH(LIBBPF_NODE_KEEP, ##__VA_ARGS__)                                                \
      struct {                                                                                         \
        unsigned long long site, time;                                                                 \
        unsigned int cpu;                                                                              \
        LIBBPF_NODE_EACH(LIBBPF_NODE_MEMBER, ##__VA_ARGS__)                                            \
      }* line_;                                                                                        \
      /* Node.js finds this by its offset from node_logs_base. The name in BTF begins with that of the \
       * function. */                                                                                  \
      static const struct {                                                                            \
        unsigned int level, line;                                                                      \
        char file[sizeof(__FILE__)];                                                                   \
        char format[sizeof(text)];                                                                     \
        char values[sizeof(#__VA_ARGS__)];                                                             \
        typeof(*line_) record[0];                                                                      \
      } log_site SEC(".rodata.node_logs") = {                                                          \
          LIBBPF_NODE_LEVEL_##severity, __LINE__, __FILE__, text, #__VA_ARGS__, {}};                   \
      line_ = bpf_ringbuf_reserve(&node_logs, sizeof(*line_), 0);                                      \
      if (line_) {                                                                                     \
        long site_ = (const char*)&log_site - node_logs_base;                                          \
        /* Keeps the subtraction of two pointers at 64 bits. */                                        \
        asm volatile("" : "+r"(site_));                                                                \
        line_->site = site_;                                                                           \
        line_->time = bpf_ktime_get_ns();                                                              \
        line_->cpu = bpf_get_smp_processor_id();                                                       \
        LIBBPF_NODE_EACH(LIBBPF_NODE_PUT, ##__VA_ARGS__)                                               \
        bpf_ringbuf_submit(line_, LIBBPF_NODE_FLAGS(node_logs, sizeof(*line_)));                       \
      } else {                                                                                         \
        libbpf_node_count_loss(&node_logs_lost);                                                       \
      }                                                                                                \
    }                                                                                                  \
  } while (0)

/* ---- How a value is recorded */

#define LIBBPF_NODE_IS(type, value) __builtin_types_compatible_p(type, typeof(value))
/* The variable that keeps a value has another type only where the value is an array. */
#define LIBBPF_NODE_IS_ARRAY(value, kept) !__builtin_types_compatible_p(typeof(value), typeof(kept))
#define LIBBPF_NODE_IS_TEXT(kept) (LIBBPF_NODE_IS(char*, kept) || LIBBPF_NODE_IS(const char*, kept))
#define LIBBPF_NODE_IS_USER_TEXT(kept) LIBBPF_NODE_IS(const struct libbpf_node_user_text*, kept)

#define LIBBPF_NODE_KEEP(number, value) __auto_type kept_##number = (value);

#define LIBBPF_NODE_MEMBER(number, value)                                                                  \
  typeof(*__builtin_choose_expr(                                                                           \
      LIBBPF_NODE_IS_ARRAY(value, kept_##number), (typeof(value)*)0,                                       \
      __builtin_choose_expr(LIBBPF_NODE_IS_TEXT(kept_##number) || LIBBPF_NODE_IS_USER_TEXT(kept_##number), \
                            (char(*)[LIBBPF_NODE_LOG_TEXT])0, (typeof(kept_##number)*)0))) value_##number;

#define LIBBPF_NODE_PUT(number, value)                                                          \
  libbpf_node_put((void*)&line_->value_##number, sizeof(line_->value_##number), &kept_##number, \
                  LIBBPF_NODE_IS_USER_TEXT(kept_##number)      ? 'u'                            \
                  : LIBBPF_NODE_IS_TEXT(kept_##number)         ? 't'                            \
                  : LIBBPF_NODE_IS_ARRAY(value, kept_##number) ? 'a'                            \
                                                               : 'v');

static __attribute__((always_inline, unused)) void libbpf_node_put(void* to, unsigned int size,
                                                                   const void* kept, char kind) {
  const void* pointer;
  if (kind == 'v') {
    __builtin_memcpy(to, kept, size);
    return;
  }
  __builtin_memcpy(&pointer, kept, sizeof(pointer));
  if (kind == 'a')
    bpf_probe_read_kernel(to, size, pointer);
  else if ((kind == 'u' ? bpf_probe_read_user_str(to, size, pointer)
                        : bpf_probe_read_kernel_str(to, size, pointer)) < 0)
    *(char*)to = 0;
}

/* The compiler compares the format with the values, and removes the call. */
int libbpf_node_check_format(const char* format, ...) __attribute__((format(printf, 1, 2)));
#define LIBBPF_NODE_CHECK_FORMAT(format, ...)                                                                \
  _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Wformat-extra-args\"")(void) sizeof( \
      libbpf_node_check_format(format LIBBPF_NODE_EACH(LIBBPF_NODE_CHECKED, ##__VA_ARGS__)));                \
  _Pragma("clang diagnostic pop")
#define LIBBPF_NODE_CHECKED(number, value) \
  , __builtin_choose_expr(LIBBPF_NODE_IS(const struct libbpf_node_user_text*, value), (const char*)0, value)

/* ---- Expands a macro for each value, with a number that counts down */

#define LIBBPF_NODE_EACH(macro, ...)                                                                      \
  LIBBPF_NODE_EACH_(LIBBPF_NODE_COUNT(_, ##__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), macro, \
                    ##__VA_ARGS__)
#define LIBBPF_NODE_COUNT(_0, _1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, count, ...) count
#define LIBBPF_NODE_EACH_(count, macro, ...) LIBBPF_NODE_EACH__(count, macro, ##__VA_ARGS__)
#define LIBBPF_NODE_EACH__(count, macro, ...) LIBBPF_NODE_EACH_##count(macro, ##__VA_ARGS__)
#define LIBBPF_NODE_EACH_0(macro)
#define LIBBPF_NODE_EACH_1(macro, value) macro(1, value)
#define LIBBPF_NODE_EACH_2(macro, value, ...) macro(2, value) LIBBPF_NODE_EACH_1(macro, __VA_ARGS__)
#define LIBBPF_NODE_EACH_3(macro, value, ...) macro(3, value) LIBBPF_NODE_EACH_2(macro, __VA_ARGS__)
#define LIBBPF_NODE_EACH_4(macro, value, ...) macro(4, value) LIBBPF_NODE_EACH_3(macro, __VA_ARGS__)
#define LIBBPF_NODE_EACH_5(macro, value, ...) macro(5, value) LIBBPF_NODE_EACH_4(macro, __VA_ARGS__)
#define LIBBPF_NODE_EACH_6(macro, value, ...) macro(6, value) LIBBPF_NODE_EACH_5(macro, __VA_ARGS__)
#define LIBBPF_NODE_EACH_7(macro, value, ...) macro(7, value) LIBBPF_NODE_EACH_6(macro, __VA_ARGS__)
#define LIBBPF_NODE_EACH_8(macro, value, ...) macro(8, value) LIBBPF_NODE_EACH_7(macro, __VA_ARGS__)
#define LIBBPF_NODE_EACH_9(macro, value, ...) macro(9, value) LIBBPF_NODE_EACH_8(macro, __VA_ARGS__)
#define LIBBPF_NODE_EACH_10(macro, value, ...) macro(10, value) LIBBPF_NODE_EACH_9(macro, __VA_ARGS__)
#define LIBBPF_NODE_EACH_11(macro, value, ...) macro(11, value) LIBBPF_NODE_EACH_10(macro, __VA_ARGS__)
#define LIBBPF_NODE_EACH_12(macro, value, ...) macro(12, value) LIBBPF_NODE_EACH_11(macro, __VA_ARGS__)

#endif
