#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

// Owns a file descriptor and closes it. Calls that return a negative errno instead of a descriptor can be
// wrapped as they are: the negative value can be read with get(), and nothing is closed.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    Reset(other.Release());
    return *this;
  }
  ~UniqueFd() { Reset(); }

  // A second descriptor of the same file, or a negative errno.
  static UniqueFd Duplicate(int fd) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return UniqueFd(copy >= 0 ? copy : -errno);
  }

  bool IsOpen() const { return fd_ >= 0; }
  int get() const { return fd_; }

  // Gives up ownership without closing.
  int Release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }

  void Reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};
