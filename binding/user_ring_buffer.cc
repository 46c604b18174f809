#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstring>

#include "addon.h"
#include "map.h"
#include "util/call.h"

namespace {

// The producer of a BPF_MAP_TYPE_USER_RINGBUF. Its memory is never shown to JavaScript: a sample is reserved,
// filled and submitted in one call.
class UserRingBuffer : public Handle {
 public:
  static constexpr Kind kKind = Kind::kUserRingBuffer;
  explicit UserRingBuffer(user_ring_buffer* ring) : Handle(kKind), ring(ring) {}
  ~UserRingBuffer() override { user_ring_buffer__free(ring); }
  const char* Refusal() const override { return ring == nullptr ? "ERR_BPF_CLOSED" : nullptr; }

  user_ring_buffer* ring;
};

napi_value New(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  if (!args.ok()) return nullptr;
  user_ring_buffer* ring = nullptr;
  bool opened = Call(env, "user_ring_buffer__new",
                     [&] { return ErrorOf(ring = user_ring_buffer__new(map->fd(), nullptr)); });
  return opened ? Wrap(env, new UserRingBuffer(ring)) : nullptr;
}

napi_value Submit(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* handle = args.handle<UserRingBuffer>(0);
  Bytes bytes = args.bytes(1);
  if (!args.ok()) return nullptr;
  if (bytes.size > UINT32_MAX) {
    args.Reject(1, "is too long");
    return nullptr;
  }
  void* sample = user_ring_buffer__reserve(handle->ring, static_cast<uint32_t>(bytes.size));
  if (sample == nullptr) {
    // Full is an ordinary answer.
    return errno == ENOSPC ? ToJs(env, false) : Throw(env, "user_ring_buffer__reserve", -errno);
  }
  if (bytes.size > 0) memcpy(sample, bytes.data, bytes.size);
  user_ring_buffer__submit(handle->ring, sample);
  return ToJs(env, true);
}

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* handle = args.closable<UserRingBuffer>(0);
  if (args.ok()) {
    user_ring_buffer__free(handle->ring);
    handle->ring = nullptr;
  }
  return Undefined(env);
}

}  // namespace

void DefineUserRingBuffer(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"userRingBufferNew", New},
             {"userRingBufferSubmit", Submit},
             {"userRingBufferClose", Close},
         });
}
