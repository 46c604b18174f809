// A descriptor that is reported once each time that it becomes ready, and not as long as it is.
#pragma once

#include <cstdint>

#include "loop.h"
#include "unique_fd.h"

class EdgePoll {
 public:
  EdgePoll() = default;
  EdgePoll(const EdgePoll&) = delete;
  EdgePoll& operator=(const EdgePoll&) = delete;
  ~EdgePoll() { Close(); }

  // `events` are epoll's. Negative errno where it fails; then nothing is open.
  int Open(Environment& environment, int fd, uint32_t events, LoopOwner* owner);
  // Null until it is open.
  LoopHandle* handle() const { return handle_; }
  // For the owner, when it is woken: what is reported now is not reported again. False where there was
  // nothing.
  bool Take();
  void Close();

 private:
  UniqueFd epoll_fd_;
  LoopHandle* handle_ = nullptr;
};
