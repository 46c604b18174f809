// Descriptors that JavaScript has as numbers. They are read and closed here, because not every runtime's
// node:fs accepts descriptors that it has not opened, and Workers end without closing anything.
#include <unistd.h>

#include "addon.h"
#include "util/call.h"

napi_value HandOut(napi_env env, UniqueFd fd) {
  int number = fd.get();
  UniqueFd& held = Environment::Of(env).descriptors[number];
  // If others have closed an earlier descriptor of this number, it must not be closed again.
  held.Release();
  held = std::move(fd);
  return ToJs(env, int32_t{number});
}

int HandedOut(napi_env env, Args& args, const char* operation) {
  int fd = args.i32(0);
  if (!args.ok()) return -1;
  if (Environment::Of(env).descriptors.count(fd) > 0) return fd;
  Throw(env, operation, -EBADF);
  return -1;
}

namespace {

napi_value Read(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto bytes = std::make_shared<OwnedBytes>(args.room(1, 1, 1 << 20));
  int fd = HandedOut(env, args, "read");
  if (fd < 0) return nullptr;
  // A duplicate, because the number could refer to another file by the time the pool reads.
  UniqueFd own = UniqueFd::Duplicate(fd);
  if (!own.IsOpen()) return Throw(env, "read", own.get());
  auto length = std::make_shared<ssize_t>(0);
  return CallAsync(
      env, "read",
      [own = std::move(own), bytes, length] {
        return ErrnoOf(static_cast<int>(*length = read(own.get(), bytes->data(), bytes->size())));
      },
      [](int) {},
      [bytes, length](napi_env env) { return CopyBytes(env, bytes->data(), static_cast<size_t>(*length)); });
}

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = HandedOut(env, args, "close");
  if (fd < 0) return nullptr;
  Environment::Of(env).descriptors.erase(fd);
  return Undefined(env);
}

}  // namespace

void DefineDescriptor(napi_env env, napi_value exports) {
  Define(env, exports, {{"descriptorRead", Read}, {"descriptorClose", Close}});
}
