#include "loop.h"

#include <cerrno>
#include <cstdlib>

#include "environment.h"
#include "loop_thread.h"
#include "uv.h"

namespace {

class UvHandle final : public LoopHandle {
 public:
  UvHandle(Environment& environment, int type, LoopOwner* owner)
      : environment_(environment),
        type_(type),
        handle_(static_cast<uv_handle_t*>(malloc(uv_handle_size(type)))),
        owner_(owner) {}

  // `error` is libuv's result for the new handle.
  UvHandle* Opened(int error) {
    if (error != 0) {
      free(handle_);
      delete this;
      errno = -error;
      return nullptr;
    }
    uv_handle_set_data(handle_, this);
    ++environment_.loop_handles;
    return this;
  }

  int Start(uint64_t delay_ms) override {
    switch (type_) {
      case UV_POLL:
        // libuv tells the end apart from data only if it is asked for both.
        return uv_poll_start(handle_, UV_READABLE | UV_DISCONNECT,
                             [](uv_handle_t* handle, int status, int events) {
                               OwnerOf(handle)->Woken(status < 0 || (events & UV_DISCONNECT) != 0);
                             });
      case UV_TIMER:
        return uv_timer_start(
            handle_, [](uv_handle_t* handle) { OwnerOf(handle)->Woken(false); }, delay_ms, 0);
      default:
        return uv_idle_start(handle_, [](uv_handle_t* handle) { OwnerOf(handle)->Woken(false); });
    }
  }

  void Stop() override {
    switch (type_) {
      case UV_POLL:
        uv_poll_stop(handle_);
        break;
      case UV_TIMER:
        uv_timer_stop(handle_);
        break;
      default:
        uv_idle_stop(handle_);
    }
  }

  bool IsActive() const override { return uv_is_active(handle_) != 0; }

  void Ref(bool on) override {
    if (on) {
      uv_ref(handle_);
    } else {
      uv_unref(handle_);
    }
  }

  // libuv may still call back before it has closed the handle, so the memory has to stay until then.
  void Close() override {
    uv_close(handle_, [](uv_handle_t* handle) {
      auto* self = static_cast<UvHandle*>(uv_handle_get_data(handle));
      self->environment_.LoopHandleClosed();
      free(handle);
      delete self;
    });
  }

  uv_handle_t* get() const { return handle_; }

 private:
  static LoopOwner* OwnerOf(uv_handle_t* handle) {
    return static_cast<UvHandle*>(uv_handle_get_data(handle))->owner_;
  }

  Environment& environment_;
  int type_;
  uv_handle_t* handle_;
  LoopOwner* owner_;
};

}  // namespace

LoopHandle* LoopHandle::Poll(Environment& environment, int fd, LoopOwner* owner, bool reports_once) {
  // Electron asks libuv's epoll for events before libuv does. That takes away what poll() reports only once.
  if (environment.loop_thread && (reports_once || !environment.uses_libuv))
    return environment.loop_thread->Poll(fd, owner, reports_once);
  auto* handle = new UvHandle(environment, UV_POLL, owner);
  return handle->Opened(uv_poll_init(environment.loop, handle->get(), fd));
}

LoopHandle* LoopHandle::Timer(Environment& environment, LoopOwner* owner) {
  if (!environment.uses_libuv) return environment.loop_thread->Timer(owner);
  auto* handle = new UvHandle(environment, UV_TIMER, owner);
  return handle->Opened(uv_timer_init(environment.loop, handle->get()));
}

LoopHandle* LoopHandle::Idle(Environment& environment, LoopOwner* owner) {
  if (!environment.uses_libuv) return environment.loop_thread->Idle(owner);
  auto* handle = new UvHandle(environment, UV_IDLE, owner);
  return handle->Opened(uv_idle_init(environment.loop, handle->get()));
}
