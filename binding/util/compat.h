// Replacements for functions that the oldest supported libbpf (1.5) does not have, so that the rest of the
// binding does not have to check.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>

#if LIBBPF_MAJOR_VERSION == 1 && LIBBPF_MINOR_VERSION < 7
inline int bpf_program__assoc_struct_ops(bpf_program*, bpf_map*, void*) { return -EOPNOTSUPP; }
inline int bpf_map__set_exclusive_program(bpf_map*, bpf_program*) { return -EOPNOTSUPP; }
inline bpf_program* bpf_map__exclusive_program(bpf_map*) { return nullptr; }
#endif

#if LIBBPF_MAJOR_VERSION == 1 && LIBBPF_MINOR_VERSION < 6
inline int bpf_object__prepare(bpf_object*) { return -EOPNOTSUPP; }
inline int bpf_prog_stream_read(int, uint32_t, void*, uint32_t, void*) { return -EOPNOTSUPP; }
inline bpf_linker* bpf_linker__new_fd(int, bpf_linker_opts*) {
  errno = EOPNOTSUPP;
  return nullptr;
}
inline int bpf_linker__add_buf(bpf_linker*, void*, size_t, const bpf_linker_file_opts*) {
  return -EOPNOTSUPP;
}
#endif

// Members that the structs of older versions do not have. Without the member, a getter returns 0 and a setter
// does nothing. Passing 0 makes overload resolution prefer the version with the member.

template <class T>
auto CookieOf(const T& from, int) -> decltype(from.cookie) {
  return from.cookie;
}
template <class T>
uint64_t CookieOf(const T&, long) {
  return 0;
}
template <class T>
uint64_t CookieOf(const T& from) {
  return CookieOf(from, 0);
}

template <class T>
auto RefCtrOffsetOf(const T& from, int) -> decltype(from.ref_ctr_offset) {
  return from.ref_ctr_offset;
}
template <class T>
uint64_t RefCtrOffsetOf(const T&, long) {
  return 0;
}
template <class T>
uint64_t RefCtrOffsetOf(const T& from) {
  return RefCtrOffsetOf(from, 0);
}

// False if the member is missing and the value is not its default.
template <class T>
auto SetSession(T& to, bool on, int) -> decltype(to.session, true) {
  to.session = on;
  return true;
}
template <class T>
bool SetSession(T&, bool on, long) {
  return !on;
}

template <class T>
auto SetUniqueMatch(T& to, bool on, int) -> decltype(to.unique_match, true) {
  to.unique_match = on;
  return true;
}
template <class T>
bool SetUniqueMatch(T&, bool on, long) {
  return !on;
}

template <class T>
auto SetCgroupAnchor(T& to, int fd, uint32_t id, uint64_t revision, int) -> decltype(to.cgroup, true) {
  to.cgroup.relative_fd = static_cast<uint32_t>(fd);
  to.cgroup.relative_id = id;
  to.cgroup.expected_revision = revision;
  return true;
}
template <class T>
bool SetCgroupAnchor(T&, int fd, uint32_t id, uint64_t revision, long) {
  return fd == 0 && id == 0 && revision == 0;
}

template <class T>
auto SetQdisc(T& to, uint32_t handle, const char* name, int) -> decltype(to.qdisc, true) {
  to.handle = handle;
  to.qdisc = name;
  return true;
}
template <class T>
bool SetQdisc(T&, uint32_t, const char*, long) {
  return false;
}

template <class T>
auto SetExclusiveHash(T& to, const void* hash, uint32_t size, int) -> decltype(to.excl_prog_hash, true) {
  to.excl_prog_hash = hash;
  to.excl_prog_hash_size = size;
  return true;
}
template <class T>
bool SetExclusiveHash(T&, const void*, uint32_t size, long) {
  return size == 0;
}
