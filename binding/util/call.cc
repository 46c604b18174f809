#include "call.h"

#include <bpf/libbpf.h>

napi_value NativeError(napi_env env, const char* operation, int error, Warnings warnings) {
  int number = -error;
  char text[128];
  libbpf_strerror(number, text, sizeof(text));
  napi_value result = nullptr;
  napi_create_error(env, nullptr, ToJs(env, std::string(operation) + ": " + text), &result);
  napi_set_named_property(env, result, "errno", ToJs(env, number));
  napi_set_named_property(env, result, "operation", ToJs(env, operation));
  if (warnings.IsLong()) {
    napi_set_named_property(env, result, "log", ToJs(env, warnings.Excerpt()));
    auto* whole = new LongLog(warnings.TakeText());
    whole->Account(env, static_cast<int64_t>(whole->text.size()));
    napi_set_named_property(env, result, "longLog", Wrap(env, whole));
  } else {
    napi_set_named_property(env, result, "log", ToJs(env, warnings.TakeText()));
  }
  return result;
}

napi_value Throw(napi_env env, const char* operation, int error, Warnings warnings) {
  napi_throw(env, NativeError(env, operation, error, std::move(warnings)));
  return nullptr;
}

namespace {

// The result, or null after an uncaught exception.
napi_value Checked(napi_env env, napi_status status, napi_value result) {
  if (status == napi_ok) return result;
  napi_value error = nullptr;
  if (status == napi_pending_exception && napi_get_and_clear_last_exception(env, &error) == napi_ok)
    napi_fatal_exception(env, error);
  return nullptr;
}

}  // namespace

napi_value CallBack(napi_env env, napi_async_context context, napi_ref function, size_t argc,
                    const napi_value* argv) {
  napi_value callee = nullptr;
  napi_value result = nullptr;
  napi_get_reference_value(env, function, &callee);
  napi_status status = napi_make_callback(env, context, Napi::Env(env).Global(), callee, argc, argv, &result);
  return Checked(env, status, result);
}

void CallBackAnd(napi_env env, napi_async_context context, napi_value function, napi_value argument,
                 const std::function<void()>& after) {
  napi_callback_scope scope = nullptr;
  // Node.js ignores which object it gets.
  napi_open_callback_scope(env, function, context, &scope);
  Checked(env, napi_call_function(env, function, function, 1, &argument, nullptr), nullptr);
  after();
  napi_close_callback_scope(env, scope);
}
