#include "environment.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace {

bool HasGlobal(napi_env env, const char* name) {
  napi_value global = nullptr;
  bool has = false;
  napi_get_global(env, &global);
  return napi_has_named_property(env, global, name, &has) == napi_ok && has;
}

// In Bun, uv_poll_init ends the process. In Deno, uv_poll never reports anything.
bool HasUsableLibuv(napi_env env) {
  const char* forced = getenv("LIBBPF_NODE_LOOP");
  if (forced != nullptr && strcmp(forced, "thread") == 0) return false;
  return !HasGlobal(env, "Bun") && !HasGlobal(env, "Deno");
}

bool IsElectron(napi_env env) {
  napi_value object = nullptr;
  bool has = false;
  napi_get_global(env, &object);
  return napi_get_named_property(env, object, "process", &object) == napi_ok &&
         napi_get_named_property(env, object, "versions", &object) == napi_ok &&
         napi_has_named_property(env, object, "electron", &has) == napi_ok && has;
}

}  // namespace

bool Environment::Create(napi_env env) {
  auto* environment = new Environment(env);
  // Only an asynchronous hook can close libuv handles. With a plain one, the close callbacks would run after
  // a Worker has unloaded the addon.
  if (napi_get_uv_event_loop(env, &environment->loop) != napi_ok ||
      napi_set_instance_data(
          env, environment, [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); },
          nullptr) != napi_ok ||
      napi_add_async_cleanup_hook(
          env,
          [](napi_async_cleanup_hook_handle hook, void* data) {
            auto* ending = static_cast<Environment*>(data);
            ending->hook_ = hook;
            ending->End();
          },
          environment, &environment->hook_) != napi_ok) {
    napi_throw_error(env, nullptr, "the environment does not accept the addon");
    return false;
  }
  environment->frees_hook_ = HasGlobal(env, "Deno");
  environment->uses_libuv = HasUsableLibuv(env);
  if (!environment->uses_libuv || IsElectron(env)) {
    environment->loop_thread = LoopThread::Create(env);
    if (!environment->loop_thread) return false;
  }
  LogCapture::Install();
  return true;
}

Environment& Environment::Of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<Environment*>(data);
}

void Environment::Deliver(const std::vector<LogMessage>& messages) {
  if (log.IsEmpty()) return;
  for (const LogMessage& message : messages) {
    if (message.level > log_level) continue;
    Napi::HandleScope scope(env);
    napi_value arguments[] = {Napi::Number::New(env, message.level), Napi::String::New(env, message.text)};
    napi_value result;
    if (napi_call_function(env, Napi::Env(env).Undefined(), log.Value(), 2, arguments, &result) == napi_ok)
      continue;
    // An exception of the logger must not fail the call that printed the message.
    napi_value error = nullptr;
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
  }
}

void Environment::End() {
  ending_ = true;
  for (LoopOwner* owner : std::vector<LoopOwner*>(loop_owners.begin(), loop_owners.end())) owner->Close();
  if (destroy_links != nullptr) destroy_links(*this);
  descriptors.clear();
  loop_thread.reset();
  if (loop_handles == 0 && !frees_hook_) napi_remove_async_cleanup_hook(hook_);
}

void Environment::LoopHandleClosed() {
  --loop_handles;
  if (ending_ && loop_handles == 0) napi_remove_async_cleanup_hook(hook_);
}
