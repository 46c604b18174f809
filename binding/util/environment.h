// What belongs to one JavaScript environment, the main thread's or a Worker's, and how it ends. Nothing in
// the binding is static but constants, so any number of environments can live in a process.
#pragma once

#include <napi.h>

#include <memory>
#include <unordered_set>
#include <vector>

#include "log.h"
#include "uv.h"

struct LinkState;

class UvOwner {
 public:
  virtual void Close() = 0;

 protected:
  ~UvOwner() = default;
};

class Environment {
 public:
  // Makes the environment's state and the hook that ends it.
  static bool Create(napi_env env);
  static Environment& Of(napi_env env);

  napi_env env;
  uv_loop_s* loop = nullptr;

  // The most talkative level that the log function wants; -1 for none.
  int log_level = -1;
  Napi::FunctionReference log;
  void Deliver(const std::vector<LogMessage>& messages);

  // Links are owned here and not by their JavaScript object: one that is forgotten stays attached until the
  // environment ends.
  std::unordered_set<std::shared_ptr<LinkState>> links;

  // Whoever has libuv handles open registers here, and is told to close them when the environment ends.
  std::unordered_set<UvOwner*> uv_owners;
  // Handles that libuv still knows: the environment waits for the last of them.
  size_t uv_handles = 0;
  void UvClosed();

  // Whatever is made from now on nobody would end.
  bool ending() const { return ending_; }

 private:
  explicit Environment(napi_env env) : env(env) {}
  void End();

  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool ending_ = false;
};

// A uv_poll_t, uv_timer_t or uv_idle_t. Owners drop it with Close(); it deletes itself when libuv has let go
// of it, so no callback that libuv still owes finds freed memory.
class UvHandle {
 public:
  // Null, and errno is set, where libuv refuses.
  static UvHandle* Poll(Environment& environment, int fd, UvOwner* owner);
  static UvHandle* Timer(Environment& environment, UvOwner* owner);
  static UvHandle* Idle(Environment& environment, UvOwner* owner);

  uv_handle_t* get() const { return handle_; }
  void Close();
  static UvOwner* OwnerOf(uv_handle_t* handle);

 private:
  UvHandle(Environment& environment, int type, UvOwner* owner);
  static UvHandle* Opened(UvHandle* handle, int error);

  Environment& environment_;
  uv_handle_t* handle_;
  UvOwner* owner_;
};
