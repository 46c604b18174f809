// Calls libbpf on this thread or on libuv's pool, captures the messages that it prints, and turns a failure
// into a NativeError.
#pragma once

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "args.h"
#include "environment.h"
#include "log.h"

// For libbpf functions that return a pointer: on failure they return null and set errno.
inline int ErrorOf(const void* pointer) { return pointer != nullptr ? 0 : -errno; }
// For system calls: on failure they return -1 and set errno. libbpf's integer functions return -errno.
inline int ErrnoOf(int result) { return result < 0 ? -errno : result; }

napi_value NativeError(napi_env env, const char* operation, int error, Warnings warnings);

// Throws a NativeError, and gives the value that the native function then returns.
napi_value Throw(napi_env env, const char* operation, int error, Warnings warnings = {});

// Calls a JavaScript function from the event loop. If it throws, that is an uncaught exception, and the
// result is null.
napi_value CallBack(napi_env env, napi_async_context context, napi_ref function, size_t argc = 0,
                    const napi_value* argv = nullptr);

// The same for a function without `this`, with one argument. `after` runs before the microtasks that the
// function has queued.
void CallBackAnd(napi_env env, napi_async_context context, napi_value function, napi_value argument,
                 const std::function<void()>& after);

// Runs `work`, and throws when it returns a negative errno. `work` may take the capture as its argument, to
// see what was printed.
template <class Work>
bool Call(napi_env env, const char* operation, Work&& work) {
  Environment& environment = Environment::Of(env);
  LogCapture capture(environment.log_level);
  int result;
  if constexpr (std::is_invocable_v<Work, const LogCapture&>) {
    result = work(capture);
  } else {
    result = work();
  }
  environment.Deliver(capture.TakeMessages());
  if (result < 0) Throw(env, operation, result, capture.TakeWarnings());
  return result >= 0;
}

// Runs `work` on libuv's pool and returns a Promise. Back on the main thread, `always(result)` runs first,
// also after a failure. After a success the Promise resolves to what `done(env)` returns. The functions may
// own what the work needs: they live until the Promise is settled.
template <class Work, class Always, class Done>
napi_value CallAsync(napi_env env, const char* operation, Work work, Always always, Done done) {
  struct Task {
    const char* operation;
    Work work;
    Always always;
    Done done;
    int log_level;
    napi_async_work handle;
    napi_deferred deferred;
    int result;
    Warnings warnings;
    std::vector<LogMessage> messages;
  };
  Environment& environment = Environment::Of(env);
  auto task = std::unique_ptr<Task>(new Task{operation,
                                             std::move(work),
                                             std::move(always),
                                             std::move(done),
                                             environment.log_level,
                                             nullptr,
                                             nullptr,
                                             0,
                                             {},
                                             {}});
  napi_value promise = nullptr;
  napi_value name = ToJs(env, operation);
  napi_create_promise(env, &task->deferred, &promise);
  napi_create_async_work(
      env, nullptr, name,
      [](napi_env, void* data) {
        auto* running = static_cast<Task*>(data);
        LogCapture capture(running->log_level);
        running->result = running->work();
        if (running->result < 0) running->warnings = capture.TakeWarnings();
        running->messages = capture.TakeMessages();
      },
      [](napi_env env, napi_status, void* data) {
        // The status of these calls does not matter: they only fail when the environment is ending, and then
        // nothing waits for the Promise any more.
        std::unique_ptr<Task> ended(static_cast<Task*>(data));
        ended->always(ended->result);
        Environment::Of(env).Deliver(ended->messages);
        if (ended->result < 0) {
          napi_reject_deferred(env, ended->deferred,
                               NativeError(env, ended->operation, ended->result, std::move(ended->warnings)));
        } else {
          napi_value value = ended->done(env);
          napi_value error = nullptr;
          bool thrown = false;
          napi_is_exception_pending(env, &thrown);
          if (thrown && napi_get_and_clear_last_exception(env, &error) == napi_ok) {
            // There was no memory for the result.
            napi_reject_deferred(env, ended->deferred, error);
          } else {
            napi_resolve_deferred(env, ended->deferred, value);
          }
        }
        napi_delete_async_work(env, ended->handle);
      },
      task.get(), &task->handle);
  napi_queue_async_work(env, task->handle);
  task.release();
  return promise;
}
