// Reports a descriptor once each time it becomes ready, and not for as long as it is ready.
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

  // `events` are epoll's. Returns a negative errno on failure, and then nothing is open.
  int Open(Environment& environment, int fd, uint32_t events, LoopOwner* owner);
  // Null before Open and after Close.
  LoopHandle* handle() const { return handle_; }
  // The owner calls this when it is woken, so that the same event is not reported again. False if there was
  // no event.
  bool Take();
  void Close();

 private:
  UniqueFd epoll_fd_;
  LoopHandle* handle_ = nullptr;
};
