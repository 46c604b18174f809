// Calls that are younger than the oldest libbpf this compiles against (1.5), so that the rest of the binding
// need not ask.
#pragma once

#include <bpf/libbpf.h>

#include <cerrno>

#if LIBBPF_MAJOR_VERSION == 1 && LIBBPF_MINOR_VERSION < 6
inline int bpf_object__prepare(bpf_object*) { return -EOPNOTSUPP; }
inline bpf_linker* bpf_linker__new_fd(int, bpf_linker_opts*) {
  errno = EOPNOTSUPP;
  return nullptr;
}
inline int bpf_linker__add_buf(bpf_linker*, void*, size_t, const bpf_linker_file_opts*) {
  return -EOPNOTSUPP;
}
#endif
