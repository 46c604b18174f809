#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "../util/unique_fd.h"

// Opening a pipe, libbpf waits forever for its writer, and it leaks the descriptor of a file that it can open
// but not read, such as a directory. Returns a negative errno for those: EISDIR, or ESPIPE for pipes and
// devices. Everything else that can be wrong with a file is left to libbpf.
inline int ExpectReadable(const char* path) {
  UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status;
  char byte;
  if (!fd.IsOpen() || fstat(fd.get(), &status) != 0) return 0;
  if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode)) return -ESPIPE;
  return read(fd.get(), &byte, 1) < 0 ? -errno : 0;
}
