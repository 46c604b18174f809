#include "xsk_umem.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "addon.h"
#include "util/call.h"
#include "util/options.h"
#include "xsk.h"

namespace {

uint32_t ShiftOf(uint32_t frame_size) { return static_cast<uint32_t>(__builtin_ctz(frame_size)); }

}  // namespace

Umem::Umem(uint8_t* memory, uint32_t frames, uint32_t frame_size, uint32_t headroom, uint32_t flags)
    : headroom_(headroom),
      flags_(flags),
      places_(OwnedBytes::Zeroed(frames * sizeof(FramePlace))),
      table_{memory, reinterpret_cast<FramePlace*>(places_.data()), frames, ShiftOf(frame_size)},
      free_(OwnedBytes::Zeroed(frames * sizeof(uint32_t))) {
  if (failed()) return;
  // The first frames are taken first.
  for (uint32_t frame = frames; frame > 0; frame--) Free(frame - 1);
}

int Umem::Register(int fd) const {
  // As it is since Linux 6.8. It always had this size, and the kernel reads as much as it knows.
  struct {
    uint64_t addr, len;
    uint32_t chunk_size, headroom, flags, tx_metadata_len;
  } reg = {};
  static_assert(sizeof(reg) == sizeof(xdp_umem_reg));
  reg.addr = reinterpret_cast<uintptr_t>(table_.memory);
  reg.len = uint64_t{frames()} << table_.shift;
  reg.chunk_size = frame_size();
  reg.headroom = headroom_;
  reg.flags = flags_;
  reg.tx_metadata_len = tx_metadata();
  return ErrnoOf(setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)));
}

bool Umem::IsWithin(uint64_t offset, uint64_t length, uint32_t frame) const {
  uint64_t start = OffsetOf(frame);
  return length > 0 && offset >= start + tx_metadata() && offset <= start + frame_size() &&
         length <= start + frame_size() - offset;
}

Bytes SharedBytes(napi_env env, Args& args, size_t i) {
  Bytes bytes = args.bytes(i);
  napi_value buffer = nullptr;
  bool is_ordinary = true;
  if (!args.ok()) return {};
  napi_get_typedarray_info(env, args[i], nullptr, nullptr, nullptr, &buffer, nullptr);
  if (napi_is_arraybuffer(env, buffer, &is_ordinary) != napi_ok || is_ordinary) {
    args.Reject(i, "is not in a SharedArrayBuffer");
    return {};
  }
  return bytes;
}

std::shared_ptr<XskQueue> Umem::QueueOf(int ifindex, uint32_t queue, bool* is_new) {
  std::pair<int, uint32_t> key(ifindex, queue);
  auto found = queues_.find(key);
  *is_new = found == queues_.end();
  if (!*is_new) return found->second.lock();
  std::array<bool, kMostQueues + 1> taken = {};
  for (const auto& entry : queues_)
    if (auto other = entry.second.lock()) taken[other->id()] = true;
  size_t id = 1;
  while (id <= kMostQueues && taken[id]) id++;
  if (id > kMostQueues) return nullptr;
  auto made = std::make_shared<XskQueue>(*this, key, static_cast<uint8_t>(id));
  queues_.emplace(key, made);
  return made;
}

void Umem::Forget(const XskQueue& queue, std::pair<int, uint32_t> key) {
  queues_.erase(key);
  for (uint32_t frame = 0; frame < frames(); frame++) {
    FrameState state = StateOf(frame);
    bool was_there = state == FrameState::kReceiving || IsOnItsWay(state);
    if (was_there && OwnerOf(frame) == queue.id()) Free(frame);
  }
}

XskQueue::~XskQueue() { umem_.Forget(*this, key_); }

int XskQueue::Open(int fd, const xdp_mmap_offsets& offsets, uint32_t fill_size, uint32_t completion_size) {
  int error = ErrnoOf(setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &fill_size, sizeof(fill_size)));
  if (error == 0) {
    error =
        ErrnoOf(setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &completion_size, sizeof(completion_size)));
  }
  if (error == 0) error = fill_.Map(fd, offsets.fr, fill_size, XDP_UMEM_PGOFF_FILL_RING);
  if (error == 0) error = completion_.Map(fd, offsets.cr, completion_size, XDP_UMEM_PGOFF_COMPLETION_RING);
  return error;
}

bool XskQueue::Refill(uint32_t reserve) {
  if (umem_.free_frames() > reserve) {
    uint32_t count = std::min(fill_.Room(), umem_.free_frames() - reserve);
    for (uint32_t i = 0; i < count; i++) Give(umem_.Take());
  }
  fill_.Publish();
  return fill_.WantsWakeup();
}

uint32_t XskQueue::Reap() {
  uint32_t count = completion_.Available();
  for (uint32_t i = 0; i < count; i++) {
    uint64_t frame = umem_.FrameAt(completion_.Peek(i));
    if (frame < umem_.frames()) umem_.Returned(static_cast<uint32_t>(frame));
  }
  if (count > 0) completion_.Consume(count);
  return count;
}

namespace {

napi_value Padding(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Bytes memory = args.bytes(0);
  if (!args.ok()) return nullptr;
  auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  return ToJs(env, static_cast<uint32_t>(-reinterpret_cast<uintptr_t>(memory.data) % page));
}

napi_value New(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Bytes memory = SharedBytes(env, args, 0);
  uint32_t frame_size = args.u32(1);
  uint32_t headroom = args.u32(2);
  auto flags = static_cast<uint32_t>(args.integer(3, 0, UINT8_MAX));
  if (args.ok() && (flags & ~(Umem::kTxSwCsum | Umem::kTxMetadataLen)) != 0)
    args.Reject(3, "has unknown flags");
  if (args.ok() && (frame_size < 1024 || frame_size > 65536 || (frame_size & (frame_size - 1)) != 0))
    args.Reject(1, "is not a power of two from 1024 to 65536");
  if (args.ok() && (memory.size < frame_size || memory.size % frame_size != 0 || memory.size > UINT32_MAX))
    args.Reject(0, "does not have room for a whole number of frames, or is longer than 4 GiB");
  if (!args.ok()) return nullptr;
  auto umem = std::make_shared<Umem>(memory.data, static_cast<uint32_t>(memory.size / frame_size), frame_size,
                                     headroom, flags);
  if (umem->failed()) {
    args.Reject(0, "needs more memory than there is");
    return nullptr;
  }
  return Wrap(env, new UmemHandle(env, args[0], std::move(umem)));
}

napi_value Take(napi_env env, napi_callback_info info) {
  Args args(env, info, 1);
  auto* handle = args.handle<UmemHandle>(0);
  if (!args.ok()) return nullptr;
  Umem& umem = *handle->umem;
  if (umem.free_frames() == 0) return Undefined(env);
  uint32_t frame = umem.Take();
  umem.Move(frame, FrameState::kHeld);
  return ToJs(env, static_cast<uint32_t>(umem.OffsetOf(frame)) + umem.tx_metadata());
}

napi_value Sent(napi_env env, napi_callback_info info) {
  Args args(env, info, 1);
  auto* handle = args.handle<UmemHandle>(0);
  if (!args.ok()) return nullptr;
  std::optional<uint32_t> frame = handle->umem->TakeSent();
  return frame.has_value() ? ToJs(env, static_cast<uint32_t>(handle->umem->OffsetOf(*frame)))
                           : Undefined(env);
}

napi_value Release(napi_env env, napi_callback_info info) {
  Args args(env, info, 2);
  auto* handle = args.handle<UmemHandle>(0);
  uint32_t offset = args.u32(1);
  if (!args.ok()) return nullptr;
  Umem& umem = *handle->umem;
  uint64_t frame = umem.FrameAt(offset);
  bool held = frame < umem.frames() && umem.StateOf(static_cast<uint32_t>(frame)) == FrameState::kHeld;
  if (held) {
    umem.Free(static_cast<uint32_t>(frame));
    // A queue that had no frames left receives nothing, and so nothing else would give it this one.
    for (Xsk* socket : umem.sockets) socket->Refill();
  }
  return ToJs(env, held);
}

napi_value Counts(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* handle = args.handle<UmemHandle>(0);
  if (!args.ok()) return nullptr;
  const Umem& umem = *handle->umem;
  std::array<uint32_t, kFrameStates> counts = {};
  for (uint32_t frame = 0; frame < umem.frames(); frame++) counts[static_cast<size_t>(umem.StateOf(frame))]++;
  auto result = Napi::Object::New(env);
  result["free"] = counts[0];
  result["receiving"] = counts[1];
  result["inBatch"] = counts[2];
  result["held"] = counts[3];
  result["sending"] = counts[4] + counts[5] + counts[6];
  return result;
}

}  // namespace

void DefineXskUmem(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"umemPadding", Padding},
             {"umemNew", New},
             {"umemTake", Take},
             {"umemRelease", Release},
             {"umemSent", Sent},
             {"umemCounts", Counts},
         });
}
