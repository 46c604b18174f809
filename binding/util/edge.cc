#include "edge.h"

#include <sys/epoll.h>

#include <cerrno>

// The event loop watches an epoll descriptor, which in turn watches the real one, edge-triggered.
int EdgePoll::Open(Environment& environment, int fd, uint32_t events, LoopOwner* owner) {
  epoll_event event = {};
  event.events = events | EPOLLET;
  epoll_fd_.Reset(epoll_create1(EPOLL_CLOEXEC));
  if (epoll_fd_.IsOpen() && epoll_ctl(epoll_fd_.get(), EPOLL_CTL_ADD, fd, &event) == 0)
    handle_ = LoopHandle::Poll(environment, epoll_fd_.get(), owner);
  if (handle_ != nullptr) return 0;
  int error = -errno;
  Close();
  return error;
}

bool EdgePoll::Take() {
  epoll_event event;
  return handle_ != nullptr && epoll_wait(epoll_fd_.get(), &event, 1, 0) > 0;
}

void EdgePoll::Close() {
  if (handle_ != nullptr) handle_->Close();
  handle_ = nullptr;
  epoll_fd_.Reset();
}
