// The memory of AF_XDP sockets: frames of one size, and who has each of them. Native code never reads or
// writes a frame, so whatever JavaScript does to the memory, the worst that can happen is a wrong packet.
#pragma once

#include <linux/if_xdp.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <unordered_set>
#include <utility>

#include "util/args.h"
#include "util/handle.h"
#include "util/owned_bytes.h"
#include "xsk_ring.h"

class Xsk;

enum class FrameState : uint8_t {
  kFree,
  // In a fill ring, in an rx ring, or being written by the kernel or the device.
  kReceiving,
  // In the batch that JavaScript is looking at.
  kInBatch,
  // JavaScript has it until it sends or releases it.
  kHeld,
  // In a tx ring, on its way, or in a completion ring.
  kSending,
  // The same, and JavaScript wants to know when it was sent.
  kStamped,
  // Sent, and JavaScript has not asked yet when.
  kSent,
};
constexpr size_t kFrameStates = 7;

inline bool IsOnItsWay(FrameState state) {
  return state == FrameState::kSending || state == FrameState::kStamped;
}

// Where a frame is, and the queue that has it if it is in a ring.
struct FramePlace {
  FrameState state;
  uint8_t owner;
};

// Frames of one size, and where each of them is.
struct FrameTable {
  uint8_t* memory;
  FramePlace* places;
  uint32_t count;
  uint32_t shift;

  // The frame that an offset is in; `count` or more if there is no such frame.
  uint64_t FrameAt(uint64_t offset) const { return offset >> shift; }
  FrameState StateOf(uint32_t frame) const { return places[frame].state; }
  void Move(uint32_t frame, FrameState to, uint8_t owner = 0) const { places[frame] = {to, owner}; }
  // JavaScript is about to read these bytes. It waits for each of them in turn, and this waits for none.
  void Prefetch(uint64_t offset) const { __builtin_prefetch(memory + offset); }
};

class XskQueue;

// Sockets own this together with the handle of JavaScript.
class Umem {
 public:
  static constexpr size_t kMostQueues = 255;

  // sizeof(struct xsk_tx_metadata), which is in front of each packet that is sent with metadata.
  static constexpr uint32_t kTxMetadataSize = 24;
  // XDP_UMEM_TX_SW_CSUM and XDP_UMEM_TX_METADATA_LEN, which old headers do not have.
  static constexpr uint32_t kTxSwCsum = 1 << 1;
  static constexpr uint32_t kTxMetadataLen = 1 << 2;

  // `frame_size` is a power of two, `flags` are the two above. Ask failed() before anything else.
  Umem(uint8_t* memory, uint32_t frames, uint32_t frame_size, uint32_t headroom, uint32_t flags);
  bool failed() const { return places_.failed() || free_.failed(); }

  // XDP_UMEM_REG, for a socket while no other one is open.
  int Register(int fd) const;

  const FrameTable& table() const { return table_; }
  uint32_t frame_size() const { return uint32_t{1} << table_.shift; }
  uint32_t frames() const { return table_.count; }
  // What has to be free in front of each packet that is sent; 0 without metadata.
  uint32_t tx_metadata() const { return (flags_ & kTxMetadataLen) != 0 ? kTxMetadataSize : 0; }
  uint32_t free_frames() const { return free_count_; }
  uint64_t OffsetOf(uint32_t frame) const { return uint64_t{frame} << table_.shift; }
  uint64_t FrameAt(uint64_t offset) const { return table_.FrameAt(offset); }
  // Whether there are such bytes in the frame, and the room in front of them.
  bool IsWithin(uint64_t offset, uint64_t length, uint32_t frame) const;

  FrameState StateOf(uint32_t frame) const { return table_.StateOf(frame); }
  uint8_t OwnerOf(uint32_t frame) const { return table_.places[frame].owner; }
  void Move(uint32_t frame, FrameState to, uint8_t owner = 0) { table_.Move(frame, to, owner); }
  void Free(uint32_t frame) {
    Move(frame, FrameState::kFree);
    FreeList()[free_count_++] = frame;
  }
  // There must be a free frame.
  uint32_t Take() { return FreeList()[--free_count_]; }

  // A frame that was in a tx ring comes back.
  void Returned(uint32_t frame) {
    if (StateOf(frame) == FrameState::kSending) Free(frame);
    if (StateOf(frame) == FrameState::kStamped) ShowTime(frame);
  }
  // JavaScript asks when the frame was sent, and finds the time that the kernel has written, or none.
  void ShowTime(uint32_t frame) {
    Move(frame, FrameState::kSent);
    sent_.push_back(frame);
  }
  // The next frame of which JavaScript wants to know when it was sent. It is held from now on.
  std::optional<uint32_t> TakeSent() {
    if (sent_.empty()) return std::nullopt;
    uint32_t frame = sent_.front();
    sent_.pop_front();
    Move(frame, FrameState::kHeld);
    return frame;
  }

  // The rings of a queue; null if they would be one too many.
  std::shared_ptr<XskQueue> QueueOf(int ifindex, uint32_t queue, bool* is_new);
  void Forget(const XskQueue& queue, std::pair<int, uint32_t> key);

  std::unordered_set<Xsk*> sockets;

 private:
  uint32_t* FreeList() { return reinterpret_cast<uint32_t*>(free_.data()); }

  uint32_t headroom_;
  uint32_t flags_;
  OwnedBytes places_;
  FrameTable table_;
  OwnedBytes free_;
  uint32_t free_count_ = 0;
  // Frames in the state kSent, so never more than there are.
  std::deque<uint32_t> sent_;
  std::map<std::pair<int, uint32_t>, std::weak_ptr<XskQueue>> queues_;
};

// The fill and the completion ring of one queue of an interface. The sockets of that queue share them.
class XskQueue {
 public:
  XskQueue(Umem& umem, std::pair<int, uint32_t> key, uint8_t id) : umem_(umem), key_(key), id_(id) {}
  // Takes back the frames that the queue had. Its last socket is closed by now.
  ~XskQueue();
  int Open(int fd, const xdp_mmap_offsets& offsets, uint32_t fill_size, uint32_t completion_size);

  // Gives the kernel frames to receive into. Returns whether it wants to be told.
  bool Refill(uint32_t reserve);
  // Gives it a frame that is not free, which Refill() then tells it. False if there is no room, or fewer
  // frames would be free than `reserve`.
  bool GiveBack(uint32_t frame, uint32_t reserve) {
    if (umem_.free_frames() < reserve || fill_.Room(1) == 0) return false;
    Give(frame);
    return true;
  }
  // Takes back frames that were sent. Returns how many.
  uint32_t Reap();
  uint8_t id() const { return id_; }

 private:
  void Give(uint32_t frame) {
    umem_.Move(frame, FrameState::kReceiving, id_);
    fill_.Next() = umem_.OffsetOf(frame);
  }

  Umem& umem_;
  const std::pair<int, uint32_t> key_;
  const uint8_t id_;
  XskRing<uint64_t> fill_;
  XskRing<uint64_t> completion_;
};

class UmemHandle : public Handle {
 public:
  static constexpr Kind kKind = Kind::kUmem;
  // Keeps `memory` alive: as long as there is the handle, sockets can be opened that receive into it.
  UmemHandle(napi_env env, napi_value memory, std::shared_ptr<Umem> umem)
      : Handle(kKind), umem(std::move(umem)), env_(env) {
    napi_create_reference(env, memory, 1, &memory_);
  }
  ~UmemHandle() override { napi_delete_reference(env_, memory_); }
  const char* Refusal() const override { return nullptr; }

  const std::shared_ptr<Umem> umem;

 private:
  napi_env env_;
  napi_ref memory_ = nullptr;
};

// A Uint8Array of a SharedArrayBuffer, which can be neither detached nor made smaller, so that a pointer to
// it stays good for as long as it is referenced.
Bytes SharedBytes(napi_env env, Args& args, size_t i);
