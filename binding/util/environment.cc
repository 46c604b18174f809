#include "environment.h"

#include <cerrno>
#include <cstdlib>

#include "../link.h"

bool Environment::Create(napi_env env) {
  auto* environment = new Environment(env);
  // An asynchronous hook is the only one that may close libuv handles: with a plain one the close callback
  // runs after a Worker has unloaded the addon.
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
    // The call that is reported on goes on: its caller, or its Promise, has to hear of its end.
    napi_value error = nullptr;
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
  }
}

void Environment::End() {
  ending_ = true;
  for (UvOwner* owner : std::vector<UvOwner*>(uv_owners.begin(), uv_owners.end())) owner->Close();
  for (const auto& link : links) link->Destroy();
  links.clear();
  if (uv_handles == 0) napi_remove_async_cleanup_hook(hook_);
}

void Environment::UvClosed() {
  --uv_handles;
  if (ending_ && uv_handles == 0) napi_remove_async_cleanup_hook(hook_);
}

UvHandle::UvHandle(Environment& environment, int type, UvOwner* owner)
    : environment_(environment),
      handle_(static_cast<uv_handle_t*>(malloc(uv_handle_size(type)))),
      owner_(owner) {}

UvHandle* UvHandle::Opened(UvHandle* handle, int error) {
  if (error != 0) {
    free(handle->handle_);
    delete handle;
    errno = -error;
    return nullptr;
  }
  uv_handle_set_data(handle->handle_, handle);
  ++handle->environment_.uv_handles;
  return handle;
}

UvHandle* UvHandle::Poll(Environment& environment, int fd, UvOwner* owner) {
  auto* handle = new UvHandle(environment, UV_POLL, owner);
  return Opened(handle, uv_poll_init(environment.loop, handle->handle_, fd));
}

UvHandle* UvHandle::Timer(Environment& environment, UvOwner* owner) {
  auto* handle = new UvHandle(environment, UV_TIMER, owner);
  return Opened(handle, uv_timer_init(environment.loop, handle->handle_));
}

UvHandle* UvHandle::Idle(Environment& environment, UvOwner* owner) {
  auto* handle = new UvHandle(environment, UV_IDLE, owner);
  return Opened(handle, uv_idle_init(environment.loop, handle->handle_));
}

UvOwner* UvHandle::OwnerOf(uv_handle_t* handle) {
  return static_cast<UvHandle*>(uv_handle_get_data(handle))->owner_;
}

void UvHandle::Close() {
  uv_close(handle_, [](uv_handle_t* handle) {
    auto* self = static_cast<UvHandle*>(uv_handle_get_data(handle));
    self->environment_.UvClosed();
    free(handle);
    delete self;
  });
}
