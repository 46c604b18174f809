// The state of a JavaScript environment, that of the main thread or of a Worker, and how it ends. Nothing in
// the binding is static except constants and the process-wide print function of libbpf, so a process can have
// any number of environments.
#pragma once

#include <napi.h>

#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "log.h"
#include "loop.h"
#include "loop_thread.h"
#include "unique_fd.h"

struct LinkState;

class Environment {
 public:
  // Creates the state of the environment and the hook that ends it.
  static bool Create(napi_env env);
  static Environment& Of(napi_env env);

  napi_env env;
  struct uv_loop_s* loop = nullptr;
  // False in runtimes whose libuv cannot wait for descriptors.
  bool uses_libuv = true;
  // Waits instead of libuv; null if nothing ever needs that.
  std::unique_ptr<LoopThread> loop_thread;

  // The most verbose level that the log function wants; -1 for none.
  int log_level = -1;
  Napi::FunctionReference log;
  void Deliver(const std::vector<LogMessage>& messages);

  // The environment owns links, not their JavaScript objects: a link that nothing references stays attached
  // until the environment ends.
  std::unordered_set<std::shared_ptr<LinkState>> links;
  // Destroys and forgets all of them. Set by link.cc, which knows what a link is.
  void (*destroy_links)(Environment& environment) = nullptr;

  // Descriptors that JavaScript has as numbers and has not closed yet.
  std::unordered_map<int, UniqueFd> descriptors;

  // The owners of open loop handles, which are told to close them when the environment ends.
  std::unordered_set<LoopOwner*> loop_owners;
  // The number of handles that libuv still knows. The environment ends after the last one is closed.
  size_t loop_handles = 0;
  void LoopHandleClosed();

  // Whether the environment is ending. Resources that are created now would not be released.
  bool ending() const { return ending_; }

 private:
  explicit Environment(napi_env env) : env(env) {}
  void End();

  napi_async_cleanup_hook_handle hook_ = nullptr;
  // Deno does not wait for hooks, and frees them itself.
  bool frees_hook_ = false;
  bool ending_ = false;
};
