// Tells what a descriptor refers to. The kernel's BPF_OBJ_GET_INFO_BY_FD does not: it answers for maps,
// programs, links and BTF alike.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <string_view>

// Whether the descriptor refers to a BPF object of this kind: "map", "prog" or "link". Also true if /proc is
// not available.
inline bool IsBpf(std::string_view kind, int fd) {
  char path[32];
  char target[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  ssize_t length = readlink(path, target, sizeof(target));
  if (length < 0) return true;
  std::string_view name(target, static_cast<size_t>(length));
  // The separator differs: "anon_inode:bpf-map", "anon_inode:bpf_link".
  constexpr std::string_view before = "anon_inode:bpf";
  return name.substr(0, before.size()) == before && name.substr(before.size() + 1) == kind;
}
