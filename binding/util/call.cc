#include "call.h"

#include <bpf/libbpf.h>

napi_value NativeError(napi_env env, const char* operation, int error, const std::string& log) {
  int number = -error;
  char text[128];
  libbpf_strerror(number, text, sizeof(text));
  napi_value result = nullptr;
  napi_create_error(env, nullptr, ToJs(env, std::string(operation) + ": " + text), &result);
  napi_set_named_property(env, result, "errno", ToJs(env, number));
  napi_set_named_property(env, result, "operation", ToJs(env, operation));
  napi_set_named_property(env, result, "log", ToJs(env, log));
  return result;
}

napi_value Throw(napi_env env, const char* operation, int error, const std::string& log) {
  napi_throw(env, NativeError(env, operation, error, log));
  return nullptr;
}
