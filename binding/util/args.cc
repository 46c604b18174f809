#include "args.h"

#include <cmath>
#include <cstring>

namespace {

constexpr const char* kNoMemory = "needs more memory than there is";
// Up to this size, allocations are made without a check.
constexpr size_t kAlwaysFits = 1 << 16;

}  // namespace

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

std::string Args::string(size_t i) { return StringOf(i, values_[i]); }

std::string Args::StringOf(size_t i, napi_value from) {
  size_t length = 0;
  if (!ok_) return {};
  if (napi_get_value_string_utf8(env_, from, nullptr, 0, &length) != napi_ok) {
    Mistype(i, "a string");
    return {};
  }
  // A std::string that cannot be allocated ends the process.
  if (length > kAlwaysFits && OwnedBytes::Zeroed(length + 1).failed()) {
    Reject(i, kNoMemory);
    return {};
  }
  std::string value(length + 1, '\0');
  napi_get_value_string_utf8(env_, from, value.data(), value.size(), &length);
  value.resize(length);
  // In C, the string would end at the NUL and could name another file.
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

OwnedBytes Args::copy(size_t i, size_t most) {
  Bytes given = bytes(i);
  if (ok_ && given.size > most) Reject(i, "is too long");
  if (!ok_) return {};
  OwnedBytes copy = OwnedBytes::CopyOf(given.data, given.size);
  if (copy.failed()) Reject(i, kNoMemory);
  return copy;
}

OwnedBytes Args::optionalCopy(size_t i, size_t most) {
  return is(i, napi_undefined) ? OwnedBytes() : copy(i, most);
}

OwnedBytes Args::room(size_t i, int64_t least, int64_t most) {
  OwnedBytes bytes = OwnedBytes::Zeroed(static_cast<size_t>(integer(i, least, most)));
  if (bytes.failed()) Reject(i, kNoMemory);
  return bytes;
}

napi_value Args::function(size_t i) {
  if (ok_ && !is(i, napi_function)) Mistype(i, "a function");
  return values_[i];
}

std::optional<std::vector<std::string>> Args::optionalStrings(size_t i) {
  uint32_t count = 0;
  if (!ok_ || is(i, napi_undefined)) return std::nullopt;
  if (napi_get_array_length(env_, values_[i], &count) != napi_ok) {
    Mistype(i, "an array of strings");
    return std::nullopt;
  }
  std::vector<std::string> strings;
  for (uint32_t k = 0; k < count && ok_; k++) {
    napi_value element = nullptr;
    napi_get_element(env_, values_[i], k, &element);
    strings.push_back(StringOf(i, element));
  }
  return strings;
}

std::optional<std::vector<uint64_t>> Args::optionalU64s(size_t i) {
  napi_typedarray_type type;
  size_t count = 0;
  void* data = nullptr;
  if (!ok_ || is(i, napi_undefined)) return std::nullopt;
  if (napi_get_typedarray_info(env_, values_[i], &type, &count, &data, nullptr, nullptr) != napi_ok ||
      type != napi_biguint64_array) {
    Mistype(i, "a BigUint64Array");
    return std::nullopt;
  }
  auto* first = static_cast<uint64_t*>(data);
  return std::vector<uint64_t>(first, first + count);
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

napi_value LongText(napi_env env, std::string_view text) {
  // V8's strings end below 2^29 characters.
  constexpr size_t kMost = (1 << 29) - 32;
  if (text.size() > kMost) text.remove_prefix(text.size() - kMost);
  napi_value result = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &result);
  return result;
}

napi_value Undefined(napi_env env) {
  napi_value result = nullptr;
  napi_get_undefined(env, &result);
  return result;
}

// napi_create_arraybuffer ends the process if it cannot allocate. JavaScript's own constructor throws a
// RangeError, but takes longer.
static napi_status NewArrayBuffer(napi_env env, size_t size, void** data, napi_value* buffer) {
  if (size <= kAlwaysFits) return napi_create_arraybuffer(env, size, data, buffer);
  napi_value global = nullptr;
  napi_value constructor = nullptr;
  napi_value length = nullptr;
  napi_get_global(env, &global);
  napi_get_named_property(env, global, "ArrayBuffer", &constructor);
  napi_create_double(env, static_cast<double>(size), &length);
  napi_status status = napi_new_instance(env, constructor, 1, &length, buffer);
  return status == napi_ok ? napi_get_arraybuffer_info(env, *buffer, data, nullptr) : status;
}

static napi_value CopyArray(napi_env env, napi_typedarray_type type, const void* data, size_t count,
                            size_t size) {
  void* copy = nullptr;
  napi_value buffer = nullptr;
  napi_value result = nullptr;
  if (NewArrayBuffer(env, size, &copy, &buffer) != napi_ok) return nullptr;
  if (size > 0) memcpy(copy, data, size);
  napi_create_typedarray(env, type, count, buffer, 0, &result);
  return result;
}

napi_value CopyBytes(napi_env env, const void* data, size_t size) {
  return CopyArray(env, napi_uint8_array, data, size, size);
}

napi_value CopyU64s(napi_env env, const std::vector<uint64_t>& values) {
  return CopyArray(env, napi_biguint64_array, values.data(), values.size(), values.size() * sizeof(uint64_t));
}
