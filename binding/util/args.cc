#include "args.h"

#include <cmath>
#include <cstring>

bool Args::is(size_t i, napi_valuetype type) const {
  napi_valuetype actual;
  return napi_typeof(env_, values_[i], &actual) == napi_ok && actual == type;
}

void Args::Mistype(size_t i, const char* wanted) {
  if (!ok_) return;
  ok_ = false;
  std::string message = "native argument " + std::to_string(i) + " is not " + wanted;
  napi_throw_type_error(env_, "ERR_INVALID_ARG_TYPE", message.c_str());
}

void Args::Reject(size_t i, const char* what) {
  if (!ok_) return;
  ok_ = false;
  std::string message = "native argument " + std::to_string(i) + " " + what;
  napi_throw_range_error(env_, "ERR_OUT_OF_RANGE", message.c_str());
}

void Args::Refuse(const char* code) {
  ok_ = false;
  napi_throw_error(env_, code, code);
}

int64_t Args::integer(size_t i, int64_t least, int64_t most) {
  double value = 0;
  if (!ok_) return 0;
  if (napi_get_value_double(env_, values_[i], &value) != napi_ok || value != std::trunc(value)) {
    Mistype(i, "an integer");
    return 0;
  }
  if (value < static_cast<double>(least) || value > static_cast<double>(most)) {
    Reject(i, "is out of range");
    return 0;
  }
  return static_cast<int64_t>(value);
}

uint64_t Args::bigint(size_t i) {
  uint64_t value = 0;
  bool lossless = false;
  if (!ok_) return 0;
  if (napi_get_value_bigint_uint64(env_, values_[i], &value, &lossless) != napi_ok) {
    Mistype(i, "a bigint");
  } else if (!lossless) {
    Reject(i, "does not fit 64 bits");
  }
  return value;
}

bool Args::boolean(size_t i) {
  bool value = false;
  if (ok_ && napi_get_value_bool(env_, values_[i], &value) != napi_ok) Mistype(i, "a boolean");
  return value;
}

std::string Args::string(size_t i) {
  size_t length = 0;
  if (!ok_) return {};
  if (napi_get_value_string_utf8(env_, values_[i], nullptr, 0, &length) != napi_ok) {
    Mistype(i, "a string");
    return {};
  }
  std::string value(length + 1, '\0');
  napi_get_value_string_utf8(env_, values_[i], value.data(), value.size(), &length);
  value.resize(length);
  // To C the string would end there, and mean another file.
  if (value.find('\0') != std::string::npos) Mistype(i, "a string without NUL");
  return value;
}

std::optional<std::string> Args::optionalString(size_t i) {
  if (is(i, napi_undefined)) return std::nullopt;
  return string(i);
}

Bytes Args::bytes(size_t i) {
  napi_typedarray_type type;
  void* data = nullptr;
  Bytes bytes;
  if (!ok_) return {};
  if (napi_get_typedarray_info(env_, values_[i], &type, &bytes.size, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    Mistype(i, "a Uint8Array");
    return {};
  }
  bytes.data = static_cast<uint8_t*>(data);
  return bytes;
}

std::optional<Bytes> Args::optionalBytes(size_t i) {
  if (is(i, napi_undefined)) return std::nullopt;
  return bytes(i);
}

napi_value Args::function(size_t i) {
  if (ok_ && !is(i, napi_function)) Mistype(i, "a function");
  return values_[i];
}

napi_value ToJs(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value ToJs(napi_env env, uint32_t value) {
  napi_value result = nullptr;
  napi_create_uint32(env, value, &result);
  return result;
}

napi_value ToJs(napi_env env, int32_t value) {
  napi_value result = nullptr;
  napi_create_int32(env, value, &result);
  return result;
}

napi_value ToJs(napi_env env, uint64_t value) {
  napi_value result = nullptr;
  napi_create_bigint_uint64(env, value, &result);
  return result;
}

napi_value ToJs(napi_env env, const char* value) {
  if (value == nullptr) return Undefined(env);
  napi_value result = nullptr;
  napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &result);
  return result;
}

napi_value ToJs(napi_env env, const std::string& value) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, value.data(), value.size(), &result);
  return result;
}

napi_value Undefined(napi_env env) {
  napi_value result = nullptr;
  napi_get_undefined(env, &result);
  return result;
}

napi_value CopyBytes(napi_env env, const void* data, size_t size) {
  void* copy = nullptr;
  napi_value buffer = nullptr;
  napi_value result = nullptr;
  if (napi_create_arraybuffer(env, size, &copy, &buffer) != napi_ok) return nullptr;
  if (size > 0) memcpy(copy, data, size);
  napi_create_typedarray(env, napi_uint8_array, size, buffer, 0, &result);
  return result;
}
