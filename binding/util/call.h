// One call of libbpf: its messages captured, its failure turned into a NativeError, on this thread or on
// libuv's pool.
#pragma once

#include <cerrno>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "args.h"
#include "environment.h"
#include "log.h"

// What libbpf's pointer functions leave behind: null and errno.
inline int ErrorOf(const void* pointer) { return pointer != nullptr ? 0 : -errno; }
// What system calls leave behind: -1 and errno. libbpf's integer functions return -errno already.
inline int ErrnoOf(int result) { return result < 0 ? -errno : result; }

napi_value NativeError(napi_env env, const char* operation, int error, const std::string& log);

// Throws a NativeError; the value that a native function then returns.
napi_value Throw(napi_env env, const char* operation, int error, const std::string& log = {});

// Calls a function of JavaScript from the event loop. What it throws is an uncaught exception.
void CallBack(napi_env env, napi_async_context context, napi_ref function, size_t argc = 0,
              const napi_value* argv = nullptr);

// Runs `work`, which returns a negative errno when it failed, and throws then. It may take the capture, to
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
  std::string warnings = result < 0 ? capture.Warnings() : std::string();
  environment.Deliver(capture.TakeMessages());
  if (result < 0) Throw(env, operation, result, warnings);
  return result >= 0;
}

// The same on libuv's pool: returns a Promise of what `done(env)` makes, on the main thread again, of a
// success. `always(result)` runs there first, whatever came out. The functions may own what the work needs;
// they live until the Promise is settled.
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
    std::string warnings;
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
        if (running->result < 0) running->warnings = capture.Warnings();
        running->messages = capture.TakeMessages();
      },
      [](napi_env env, napi_status, void* data) {
        // No status is looked at here: when the environment is ending every call fails, and nobody waits any
        // more.
        std::unique_ptr<Task> ended(static_cast<Task*>(data));
        ended->always(ended->result);
        Environment::Of(env).Deliver(ended->messages);
        if (ended->result < 0) {
          napi_reject_deferred(env, ended->deferred,
                               NativeError(env, ended->operation, ended->result, ended->warnings));
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
