// What belongs to one JavaScript environment, the main thread's or a Worker's, and how it ends. Nothing in
// the binding is static but constants, so any number of environments can live in a process.
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
  // Makes the environment's state and the hook that ends it.
  static bool Create(napi_env env);
  static Environment& Of(napi_env env);

  napi_env env;
  struct uv_loop_s* loop = nullptr;
  // In its place, where libuv can't wait for descriptors.
  std::unique_ptr<LoopThread> loop_thread;

  // The most talkative level that the log function wants; -1 for none.
  int log_level = -1;
  Napi::FunctionReference log;
  void Deliver(const std::vector<LogMessage>& messages);

  // Links are owned here and not by their JavaScript object: one that is forgotten stays attached until the
  // environment ends.
  std::unordered_set<std::shared_ptr<LinkState>> links;
  // Destroys and forgets all of them. Set by link.cc, which knows what a link is.
  void (*destroy_links)(Environment& environment) = nullptr;

  // Descriptors that JavaScript has as numbers and has not closed yet.
  std::unordered_map<int, UniqueFd> descriptors;

  // Whoever has handles of the loop open registers here, and is told to close them when the environment ends.
  std::unordered_set<LoopOwner*> loop_owners;
  // Handles that libuv still knows: the environment waits for the last of them.
  size_t loop_handles = 0;
  void LoopHandleClosed();

  // Whatever is made from now on nobody would end.
  bool ending() const { return ending_; }

 private:
  explicit Environment(napi_env env) : env(env) {}
  void End();

  napi_async_cleanup_hook_handle hook_ = nullptr;
  // Deno waits for no hook, and frees it itself.
  bool frees_hook_ = false;
  bool ending_ = false;
};
