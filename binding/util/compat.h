// Calls that are younger than the oldest libbpf this compiles against (1.5), so that the rest of the binding
// need not ask.
#pragma once

#include <bpf/libbpf.h>

#include <cerrno>

#if LIBBPF_MAJOR_VERSION == 1 && LIBBPF_MINOR_VERSION < 6
inline int bpf_object__prepare(bpf_object*) { return -EOPNOTSUPP; }
#endif
