// An AF_XDP socket. Batches of received frames go to JavaScript as offsets and lengths, and come back as
// decisions about each frame; frames themselves are never touched here.
#pragma once

#include <memory>
#include <vector>

#include "util/environment.h"
#include "util/handle.h"
#include "xsk_umem.h"

struct XskOptions {
  int ifindex;
  uint32_t queue;
  // 0 for a socket that does not receive, or does not send.
  uint32_t rx_size;
  uint32_t tx_size;
  uint32_t fill_size;
  uint32_t completion_size;
  // XDP_COPY, XDP_ZEROCOPY, XDP_USE_NEED_WAKEUP, XDP_USE_SG
  uint16_t flags;
  // How long the kernel polls the device in a system call; 0 if it does not.
  uint32_t busy_poll_us;
  uint32_t busy_poll_budget;
};

// What JavaScript and native code tell each other about a batch. It is in memory that both can write to at
// any time, so native code reads each value once and checks it.
class BatchMemory {
 public:
  static constexpr size_t kBytesPerFrame = 10;
  // A packet of many fragments must fit: the kernel makes at most 18.
  static constexpr size_t kLeastFrames = 32;
  // The other fragments of the same packet follow.
  static constexpr uint8_t kContinues = 1;
  enum Decision : uint8_t { kDrop, kKeep, kSend, kSendWithMetadata, kSendAndTellTime };
  static bool IsSent(uint8_t decision) { return decision >= kSend && decision <= kSendAndTellTime; }

  explicit BatchMemory(Bytes memory) : memory_(memory.data), count_(memory.size / kBytesPerFrame) {}
  size_t count() const { return count_; }
  volatile uint32_t& offset(size_t i) { return reinterpret_cast<volatile uint32_t*>(memory_)[i]; }
  volatile uint32_t& length(size_t i) { return reinterpret_cast<volatile uint32_t*>(memory_)[count_ + i]; }
  volatile uint8_t& decision(size_t i) { return memory_[8 * count_ + i]; }
  volatile uint8_t& flags(size_t i) { return memory_[9 * count_ + i]; }
  void Describe(size_t i, uint32_t at, uint32_t bytes, bool continues) {
    offset(i) = at;
    length(i) = bytes;
    decision(i) = kDrop;
    flags(i) = continues ? kContinues : 0;
  }

 private:
  volatile uint8_t* memory_;
  size_t count_;
};

// A part of a packet, in one frame.
struct Fragment {
  uint32_t offset;
  uint32_t length;
};

class Xsk : public Handle, public LoopOwner {
 public:
  static constexpr Kind kKind = Kind::kXsk;
  Xsk(Environment& environment, std::shared_ptr<Umem> umem, BatchMemory batch);
  ~Xsk() override { Close(); }
  const char* Refusal() const override { return fd_.IsOpen() ? nullptr : "ERR_BPF_CLOSED"; }

  // Returns a negative errno, with the name of the call in `operation`.
  int Open(const XskOptions& options, napi_value batch, napi_value on_ready, const char** operation);
  int fd() const { return fd_.get(); }
  Umem& umem() const { return *umem_; }

  // Describes received frames in the batch memory. Drops what is left of an earlier batch.
  uint32_t Receive();
  // Carries out what JavaScript has decided about the frames of the batch. Returns a negative errno if the
  // kernel refuses to send.
  int Finish();
  // What xskSend is told about a packet: there is metadata in front of it, and the kernel writes there when
  // it was sent.
  static constexpr uint32_t kHasMetadata = 1;
  static constexpr uint32_t kIsStamped = 2;
  // Puts a packet into the tx ring, of frames that are held. False if there is no room.
  bool Send(const Fragment* fragments, size_t count, uint32_t flags = 0);
  // Makes the kernel send what is in the tx ring. Returns a negative errno if it refuses.
  int Kick();
  void Reap() { queue_->Reap(); }
  // Gives the kernel frames to receive into.
  void Refill();

  // With `delivers`, native code receives before it calls JavaScript, which then only looks at the batch.
  int Watch(uint32_t interval_ms, bool delivers);
  void Stop();
  void Woken(bool ended) final;
  void Close() final;

  // Frames that the kernel accepted for sending and then dropped, and those that found the tx ring full.
  uint64_t dropped_by_device() const { return dropped_by_device_; }
  uint64_t found_no_room() const { return found_no_room_; }
  uint32_t unsent() const { return tx_.IsMapped() ? tx_.Pending() : 0; }

 private:
  // Nothing tells a socket that its interface was deleted.
  struct Look final : LoopOwner {
    explicit Look(Xsk& socket) : socket(socket) {}
    void Woken(bool) override { socket.LookForError(); }
    void Close() override {}
    Xsk& socket;
  };
  // Sends again what the kernel could not send at once.
  struct Retry final : LoopOwner {
    explicit Retry(Xsk& socket) : socket(socket) {}
    void Woken(bool) override { socket.Kick(); }
    void Close() override {}
    Xsk& socket;
  };

  int Bind(const XskOptions& options);
  void SetBusyPoll(const XskOptions& options);
  bool SendReceived(size_t first, size_t count, uint32_t flags);
  int KickOnce();
  void RefillAndPoll();
  void LookForError();
  // Calls JavaScript with 0 if there are packets, or with a negative errno.
  void Tell(int32_t what);
  // Calls JavaScript with the number of frames of a batch, and carries out what it decides.
  void Deliver(napi_value on_ready, uint32_t count);

  Environment& environment_;
  napi_env env_;
  const std::shared_ptr<Umem> umem_;
  BatchMemory batch_;
  // The first `in_batch_` of these are in the batch.
  std::vector<uint32_t> frames_in_batch_;
  size_t in_batch_ = 0;
  // Whether a packet of the batch has several fragments.
  bool is_divided_ = false;
  std::shared_ptr<XskQueue> queue_;
  UniqueFd fd_;
  XskRing<xdp_desc> rx_;
  XskRing<xdp_desc> tx_;
  uint32_t reserve_ = 0;
  bool busy_polls_ = false;
  bool needs_wakeup_flag_ = false;
  uint64_t dropped_by_device_ = 0;
  uint64_t found_no_room_ = 0;

  napi_ref on_ready_ = nullptr;
  napi_ref batch_memory_ = nullptr;
  napi_async_context context_ = nullptr;
  LoopHandle* poll_ = nullptr;
  LoopHandle* timer_ = nullptr;
  LoopHandle* retry_timer_ = nullptr;
  LoopHandle* look_timer_ = nullptr;
  Retry retry_;
  Look look_;
  bool watches_ = false;
  bool delivers_ = false;
  uint32_t interval_ms_ = 0;
  uint64_t retry_ms_ = 1;
};
