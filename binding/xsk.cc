#include "xsk.h"

#include <net/if.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <optional>

#include "addon.h"
#include "util/call.h"

#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif
#ifndef XDP_TX_METADATA
#define XDP_TX_METADATA (1 << 1)
#endif
#ifndef SO_BUSY_POLL
#define SO_BUSY_POLL 46
#endif
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef SO_BUSY_POLL_BUDGET
#define SO_BUSY_POLL_BUDGET 70
#endif

namespace {

// The kernel may have no room for what is to be sent, or the interface may be down.
constexpr uint64_t kMostRetryMs = 64;
// How often a watched socket is asked whether it has failed.
constexpr uint64_t kLookMs = 250;
// How much of a turn of the event loop may be spent on packets.
constexpr std::chrono::milliseconds kTurn(10);

}  // namespace

Xsk::Xsk(Environment& environment, std::shared_ptr<Umem> umem, BatchMemory batch)
    : Handle(kKind),
      environment_(environment),
      env_(environment.env),
      umem_(std::move(umem)),
      batch_(batch),
      retry_(*this),
      look_(*this) {}

int Xsk::Open(const XskOptions& options, napi_value batch, napi_value on_ready, const char** operation) {
  *operation = "socket";
  fd_.Reset(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!fd_.IsOpen()) return -errno;
  *operation = "setsockopt";
  // Sockets of one memory find each other through it. The first one registers it.
  if (umem_->sockets.empty()) {
    *operation = "XDP_UMEM_REG";
    int error = umem_->Register(fd_.get());
    if (error < 0) return error;
  }
  *operation = "XDP_MMAP_OFFSETS";
  xdp_mmap_offsets offsets;
  socklen_t size = sizeof(offsets);
  int error = ErrnoOf(getsockopt(fd_.get(), SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size));
  if (error < 0) return error;
  if (options.rx_size > 0) {
    *operation = "XDP_RX_RING";
    error = ErrnoOf(setsockopt(fd_.get(), SOL_XDP, XDP_RX_RING, &options.rx_size, sizeof(options.rx_size)));
    if (error == 0) error = rx_.Map(fd_.get(), offsets.rx, options.rx_size, XDP_PGOFF_RX_RING);
    if (error < 0) return error;
  }
  if (options.tx_size > 0) {
    *operation = "XDP_TX_RING";
    error = ErrnoOf(setsockopt(fd_.get(), SOL_XDP, XDP_TX_RING, &options.tx_size, sizeof(options.tx_size)));
    if (error == 0) error = tx_.Map(fd_.get(), offsets.tx, options.tx_size, XDP_PGOFF_TX_RING);
    if (error < 0) return error;
    // Otherwise, a flood of packets could take all frames, and there would be none to send with.
    reserve_ = umem_->frames() / 8;
  }
  *operation = "XDP_UMEM_FILL_RING";
  bool is_new_queue = false;
  queue_ = umem_->QueueOf(options.ifindex, options.queue, &is_new_queue);
  if (queue_ == nullptr) return -ENOSPC;
  if (is_new_queue) {
    error = queue_->Open(fd_.get(), offsets, options.fill_size, options.completion_size);
    if (error < 0) return error;
  }
  *operation = "bind";
  SetBusyPoll(options);
  error = Bind(options);
  if (error < 0) return error;
  umem_->sockets.insert(this);

  *operation = "epoll_ctl";
  poll_ = LoopHandle::Poll(environment_, fd_.get(), this);
  if (poll_ == nullptr) return -errno;
  timer_ = LoopHandle::Timer(environment_, this);
  retry_timer_ = LoopHandle::Timer(environment_, &retry_);
  look_timer_ = LoopHandle::Timer(environment_, &look_);
  for (LoopHandle* handle : {poll_, timer_, retry_timer_, look_timer_}) handle->Ref(false);
  environment_.loop_owners.insert(this);
  // Weak, so that a socket that nobody uses can be collected.
  napi_create_reference(env_, on_ready, 0, &on_ready_);
  napi_create_reference(env_, batch, 1, &batch_memory_);
  napi_async_init(env_, nullptr, ToJs(env_, "libbpf-node:xdp"), &context_);
  frames_in_batch_.resize(batch_.count());
  Account(env_, static_cast<int64_t>(rx_.bytes() + tx_.bytes()));
  Refill();
  return 0;
}

// An old kernel refuses to poll busily, and everything works without.
void Xsk::SetBusyPoll(const XskOptions& options) {
  if (options.busy_poll_us == 0) return;
  int on = 1;
  int us = static_cast<int>(options.busy_poll_us);
  int budget = static_cast<int>(options.busy_poll_budget);
  busy_polls_ = setsockopt(fd_.get(), SOL_SOCKET, SO_PREFER_BUSY_POLL, &on, sizeof(on)) == 0 &&
                setsockopt(fd_.get(), SOL_SOCKET, SO_BUSY_POLL, &us, sizeof(us)) == 0 &&
                setsockopt(fd_.get(), SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof(budget)) == 0;
}

int Xsk::Bind(const XskOptions& options) {
  sockaddr_xdp address = {};
  address.sxdp_family = AF_XDP;
  address.sxdp_ifindex = static_cast<uint32_t>(options.ifindex);
  address.sxdp_queue_id = options.queue;
  address.sxdp_flags = options.flags;
  if (!umem_->sockets.empty()) {
    // The other flags are those of the first socket.
    const Xsk& first = **umem_->sockets.begin();
    address.sxdp_flags = XDP_SHARED_UMEM;
    address.sxdp_shared_umem_fd = static_cast<uint32_t>(first.fd_.get());
    needs_wakeup_flag_ = first.needs_wakeup_flag_;
  } else {
    needs_wakeup_flag_ = (options.flags & XDP_USE_NEED_WAKEUP) != 0;
  }
  return ErrnoOf(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}

void Xsk::Refill() {
  if (!rx_.IsMapped()) return;
  bool wants_wakeup = queue_->Refill(reserve_);
  if (wants_wakeup) recvfrom(fd_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
}

// Frames that were released may be missing in the fill ring. If all of them are held, nothing arrives.
void Xsk::RefillAndPoll() {
  if (busy_polls_) recvfrom(fd_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
  Refill();
}

uint32_t Xsk::Receive() {
  if (in_batch_ > 0) Finish();
  if (!rx_.IsMapped()) return 0;
  auto most = static_cast<uint32_t>(batch_.count());
  uint32_t available = std::min(rx_.Available(most), most);
  if (available == 0) {
    RefillAndPoll();
    available = std::min(rx_.Available(most), most);
  }
  // A packet of several fragments is not divided between two batches.
  uint32_t count = available;
  while (count > 0 && (rx_.Peek(count - 1).options & XDP_PKT_CONTD) != 0) count--;
  // Copies, because after each byte that is stored the compiler would read the members again.
  const auto packets = rx_.Readable();
  FrameTable frames = umem_->table();
  BatchMemory batch = batch_;
  uint32_t* in_batch = frames_in_batch_.data();
  const uint8_t queue = queue_->id();
  size_t place = 0;
  uint32_t options = 0;
  for (uint32_t i = 0; i < count; i++) {
    const xdp_desc& desc = packets[i];
    uint64_t frame = frames.FrameAt(desc.addr);
    auto index = static_cast<uint32_t>(frame);
    if (frame >= frames.count || frames.StateOf(index) != FrameState::kReceiving) continue;
    frames.Prefetch(desc.addr);
    frames.Move(index, FrameState::kInBatch, queue);
    options |= desc.options;
    in_batch[place] = index;
    batch.Describe(place, static_cast<uint32_t>(desc.addr), desc.len, (desc.options & XDP_PKT_CONTD) != 0);
    place++;
  }
  if (count > 0) rx_.Consume(count);
  is_divided_ = (options & XDP_PKT_CONTD) != 0;
  in_batch_ = place;
  return static_cast<uint32_t>(place);
}

// What JavaScript has written is only trusted as far as it stays within the same frames.
bool Xsk::SendReceived(size_t first, size_t count, uint32_t flags) {
  Fragment fragments[BatchMemory::kLeastFrames];
  if (count > BatchMemory::kLeastFrames) return false;
  for (size_t i = 0; i < count; i++) {
    fragments[i] = {batch_.offset(first + i), batch_.length(first + i)};
    if (!umem_->IsWithin(fragments[i].offset, fragments[i].length, frames_in_batch_[first + i])) return false;
  }
  return Send(fragments, count, flags);
}

// All fragments of a packet are sent, or none.
bool Xsk::Send(const Fragment* fragments, size_t count, uint32_t flags) {
  if (!tx_.IsMapped()) return false;
  if (tx_.Room(static_cast<uint32_t>(count)) < count) {
    Kick();
    if (tx_.Room(static_cast<uint32_t>(count)) < count) return false;
  }
  for (size_t i = 0; i < count; i++) {
    xdp_desc& desc = tx_.Next();
    desc.addr = fragments[i].offset;
    desc.len = fragments[i].length;
    desc.options = i + 1 < count ? XDP_PKT_CONTD : 0;
    if (i == 0 && (flags & kHasMetadata) != 0) desc.options |= XDP_TX_METADATA;
    auto frame = static_cast<uint32_t>(umem_->FrameAt(fragments[i].offset));
    bool is_stamped = i == 0 && (flags & kIsStamped) != 0;
    umem_->Move(frame, is_stamped ? FrameState::kStamped : FrameState::kSending, queue_->id());
  }
  return true;
}

int Xsk::Finish() {
  size_t count = in_batch_;
  bool sends = false;
  for (size_t first = 0; first < count;) {
    size_t end = first + 1;
    // The last one has no more fragments; see Receive().
    while (is_divided_ && end < count && (batch_.flags(end - 1) & BatchMemory::kContinues) != 0) end++;
    uint8_t decision = batch_.decision(first);
    if (BatchMemory::IsSent(decision)) {
      bool has_metadata = decision != BatchMemory::kSend && umem_->tx_metadata() > 0;
      bool is_stamped = has_metadata && decision == BatchMemory::kSendAndTellTime;
      uint32_t flags = (has_metadata ? kHasMetadata : 0) | (is_stamped ? kIsStamped : 0);
      if (SendReceived(first, end - first, flags)) {
        sends = true;
        first = end;
        continue;
      }
      found_no_room_++;
      // JavaScript hears that there is no time.
      if (is_stamped) umem_->ShowTime(frames_in_batch_[first++]);
    }
    for (; first < end; first++) {
      uint32_t frame = frames_in_batch_[first];
      if (decision == BatchMemory::kKeep) {
        umem_->Move(frame, FrameState::kHeld);
      } else if (!queue_->GiveBack(frame, reserve_)) {
        umem_->Free(frame);
      }
    }
  }
  in_batch_ = 0;
  int error = 0;
  if (sends) {
    tx_.Publish();
    error = Kick();
  }
  Refill();
  return error;
}

// One call sends 32 frames at most in copy mode and then says EAGAIN. It says the same if there is no memory
// left for sending, and then nothing moves. EBUSY says that a frame was dropped; old kernels tell only later
// that they have taken it.
int Xsk::KickOnce() {
  for (uint32_t calls = tx_.size() + 1; calls > 0; calls--) {
    uint32_t before = tx_.Pending();
    if (before == 0 || (needs_wakeup_flag_ && !tx_.WantsWakeup())) return 0;
    int error = ErrnoOf(static_cast<int>(sendto(fd_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0)));
    if (error == -EBUSY) dropped_by_device_++;
    if (error == -EBUSY || error == -EINTR) continue;
    // JavaScript has overwritten the metadata. The kernel would refuse the packet again and again.
    if (error == -EINVAL && tx_.Pending() > 0 && (tx_.Oldest().options & XDP_TX_METADATA) != 0) {
      tx_.Oldest().options &= ~static_cast<uint32_t>(XDP_TX_METADATA);
      continue;
    }
    if (error != 0 && error != -EAGAIN) return error;
    if (tx_.Pending() == before) return 0;
  }
  return 0;
}

int Xsk::Kick() {
  if (!tx_.IsMapped() || !fd_.IsOpen()) return 0;
  tx_.Publish();
  int error = KickOnce();
  if (queue_->Reap() > 0) Refill();
  // No memory, or the interface is down: both may pass.
  if (error == -ENOBUFS || error == -ENETDOWN) error = 0;
  if (error == 0 && tx_.Pending() > 0) {
    if (!retry_timer_->IsActive()) {
      retry_timer_->Start(retry_ms_);
      retry_ms_ = std::min(2 * retry_ms_, kMostRetryMs);
    }
  } else {
    retry_ms_ = 1;
  }
  return error;
}

int Xsk::Watch(uint32_t interval_ms, bool delivers) {
  Stop();
  watches_ = true;
  delivers_ = delivers;
  interval_ms_ = interval_ms;
  Refill();
  // It keeps its time if an iteration stops waiting at each packet.
  if (!look_timer_->IsActive()) look_timer_->Start(kLookMs);
  return interval_ms > 0 ? timer_->Start(interval_ms) : poll_->Start();
}

void Xsk::Stop() {
  watches_ = false;
  if (poll_ != nullptr) poll_->Stop();
  if (timer_ != nullptr) timer_->Stop();
}

// Little is left for JavaScript to do at each wake-up, because with an interval of 1 ms that is what costs.
void Xsk::Woken(bool ended) {
  if (ended) poll_->Stop();
  // The next look is due an interval after this one, however long the callback takes.
  if (interval_ms_ > 0) timer_->Start(interval_ms_);
  Napi::HandleScope scope(env_);
  // Keeps the socket alive for as long as this function runs.
  napi_value on_ready = nullptr;
  if (napi_get_reference_value(env_, on_ready_, &on_ready) != napi_ok || on_ready == nullptr) return;
  if (!delivers_) {
    if (interval_ms_ > 0 && rx_.IsMapped() && rx_.Available(1) == 0) RefillAndPoll();
    if (interval_ms_ == 0 || (rx_.IsMapped() && rx_.Available(1) > 0)) Tell(0);
    return;
  }
  auto until = std::chrono::steady_clock::time_point::max();
  while (uint32_t count = Receive()) {
    Deliver(on_ready, count);
    // If there is more than fits the turn, the event loop tells again.
    if (!watches_ || !delivers_ || count < batch_.count()) return;
    auto now = std::chrono::steady_clock::now();
    if (until == std::chrono::steady_clock::time_point::max()) until = now + kTurn;
    if (now >= until) return;
  }
}

void Xsk::LookForError() {
  if (!watches_) return;
  look_timer_->Start(kLookMs);
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) < 0) error = errno;
  if (error == 0) return;
  Napi::HandleScope scope(env_);
  Tell(-error);
}

void Xsk::Tell(int32_t what) {
  Napi::HandleScope scope(env_);
  napi_value argument = ToJs(env_, what);
  CallBack(env_, context_, on_ready_, 1, &argument);
}

// The handles stay until the end of the turn, which is cheaper than a scope for each batch.
void Xsk::Deliver(napi_value on_ready, uint32_t count) {
  int error = 0;
  // A microtask may use a frame that the callback has kept.
  CallBackAnd(env_, context_, on_ready, ToJs(env_, count), [&] { error = Finish(); });
  if (error == 0) return;
  napi_value arguments[] = {ToJs(env_, int32_t{0}), NativeError(env_, "sendto", error, {})};
  CallBack(env_, context_, on_ready_, 2, arguments);
}

void Xsk::Close() {
  watches_ = false;
  environment_.loop_owners.erase(this);
  Account(env_, 0);
  for (LoopHandle** handle : {&poll_, &timer_, &retry_timer_, &look_timer_}) {
    if (*handle != nullptr) (*handle)->Close();
    *handle = nullptr;
  }
  umem_->sockets.erase(this);
  // The kernel writes to no ring after this.
  fd_.Reset();
  for (; in_batch_ > 0; in_batch_--) umem_->Free(frames_in_batch_[in_batch_ - 1]);
  // The queue may live on with other sockets, so its frames in the rings of this one would be lost.
  if (rx_.IsMapped() && queue_ != nullptr) {
    uint32_t count = rx_.Available();
    for (uint32_t i = 0; i < count; i++) {
      uint64_t frame = umem_->FrameAt(rx_.Peek(i).addr);
      if (frame < umem_->frames() && umem_->StateOf(static_cast<uint32_t>(frame)) == FrameState::kReceiving)
        umem_->Free(static_cast<uint32_t>(frame));
    }
  }
  if (tx_.IsMapped() && queue_ != nullptr) {
    for (uint32_t left = std::min(tx_.Pending(), tx_.size()); left > 0; left--) {
      uint64_t frame = umem_->FrameAt(tx_.TakeBack().addr);
      if (frame < umem_->frames() && IsOnItsWay(umem_->StateOf(static_cast<uint32_t>(frame))))
        umem_->Free(static_cast<uint32_t>(frame));
    }
  }
  rx_.Unmap();
  tx_.Unmap();
  queue_.reset();
  for (napi_ref* reference : {&on_ready_, &batch_memory_}) {
    if (*reference != nullptr) napi_delete_reference(env_, *reference);
    *reference = nullptr;
  }
  if (context_ != nullptr) napi_async_destroy(env_, context_);
  context_ = nullptr;
}

// ---- Functions

namespace {

bool IsRingSize(uint32_t size, bool may_be_none) {
  return (size > 0 || may_be_none) && size <= (1 << 20) && (size & (size - 1)) == 0;
}

napi_value New(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* umem = args.handle<UmemHandle>(0);
  XskOptions options = {};
  options.ifindex = args.i32(1);
  options.queue = args.u32(2);
  options.rx_size = args.u32(3);
  options.tx_size = args.u32(4);
  options.fill_size = args.u32(5);
  options.completion_size = args.u32(6);
  options.flags = static_cast<uint16_t>(args.integer(7, 0, UINT16_MAX)) & ~XDP_SHARED_UMEM;
  options.busy_poll_us = static_cast<uint32_t>(args.integer(8, 0, INT32_MAX));
  options.busy_poll_budget = static_cast<uint32_t>(args.integer(9, 0, UINT16_MAX));
  Bytes memory = SharedBytes(env, args, 10);
  napi_value on_ready = args.function(11);
  for (size_t i : {3, 4, 5, 6}) {
    if (args.ok() && !IsRingSize(args.u32(i), i < 5)) args.Reject(i, "is not a power of two up to 1048576");
  }
  if (args.ok() && (reinterpret_cast<uintptr_t>(memory.data) % 4 != 0 ||
                    memory.size < BatchMemory::kLeastFrames * BatchMemory::kBytesPerFrame))
    args.Reject(10, "is not aligned, or too short");
  if (!args.ok()) return nullptr;
  auto socket = std::make_unique<Xsk>(Environment::Of(env), umem->umem, BatchMemory(memory));
  const char* operation = "socket";
  int error = socket->Open(options, args[10], on_ready, &operation);
  if (error < 0) return Throw(env, operation, error);
  return Wrap(env, socket.release());
}

napi_value Fd(napi_env env, napi_callback_info info) {
  Args args(env, info, 1);
  auto* socket = args.handle<Xsk>(0);
  return args.ok() ? ToJs(env, int32_t{socket->fd()}) : nullptr;
}

napi_value Receive(napi_env env, napi_callback_info info) {
  Args args(env, info, 1);
  auto* socket = args.handle<Xsk>(0);
  return args.ok() ? ToJs(env, socket->Receive()) : nullptr;
}

napi_value Finish(napi_env env, napi_callback_info info) {
  Args args(env, info, 1);
  auto* socket = args.handle<Xsk>(0);
  int error = args.ok() ? socket->Finish() : 0;
  if (error < 0) Throw(env, "sendto", error);
  return nullptr;
}

// Whether the fragments are in frames that are held, and each in another one. Undefined behavior is not
// possible here: what is wrong throws, or is not sent.
std::optional<bool> AreHeld(Args& args, Umem& umem, const Fragment* fragments, size_t count) {
  bool held = true;
  size_t moved = 0;
  for (; moved < count && held; moved++) {
    uint64_t frame = umem.FrameAt(fragments[moved].offset);
    if (frame >= umem.frames()) args.Reject(1, "is not in the memory");
    auto index = static_cast<uint32_t>(frame);
    if (args.ok() && !umem.IsWithin(fragments[moved].offset, fragments[moved].length, index))
      args.Reject(2, "is 0, or reaches beyond the frame");
    if (!args.ok()) break;
    held = umem.StateOf(index) == FrameState::kHeld;
    // So that it is not found a second time.
    if (held) umem.Move(index, FrameState::kInBatch);
  }
  if (!held) moved--;
  while (moved > 0)
    umem.Move(static_cast<uint32_t>(umem.FrameAt(fragments[--moved].offset)), FrameState::kHeld);
  return args.ok() ? std::optional<bool>(held) : std::nullopt;
}

napi_value SendFragments(napi_env env, Args& args, Xsk* socket, const Fragment* fragments, size_t count,
                         uint32_t flags = 0) {
  std::optional<bool> held = AreHeld(args, socket->umem(), fragments, count);
  if (!held.has_value()) return nullptr;
  return *held ? ToJs(env, socket->Send(fragments, count, flags)) : Undefined(env);
}

napi_value Send(napi_env env, napi_callback_info info) {
  Args args(env, info, 4);
  auto* socket = args.handle<Xsk>(0);
  Fragment fragment = {args.u32(1), args.u32(2)};
  auto flags = static_cast<uint32_t>(args.integer(3, 0, Xsk::kHasMetadata | Xsk::kIsStamped));
  if (args.ok() && flags != 0 && socket->umem().tx_metadata() == 0)
    args.Reject(3, "is for memory with room for metadata");
  return args.ok() ? SendFragments(env, args, socket, &fragment, 1, flags) : nullptr;
}

napi_value SendParts(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* socket = args.handle<Xsk>(0);
  Bytes offsets = args.bytes(1);
  Bytes lengths = args.bytes(2);
  size_t count = offsets.size / sizeof(uint32_t);
  if (args.ok() && (count == 0 || count > BatchMemory::kLeastFrames || offsets.size != lengths.size))
    args.Reject(1, "is not 1 to 32 parts");
  if (!args.ok()) return nullptr;
  Fragment fragments[BatchMemory::kLeastFrames];
  for (size_t i = 0; i < count; i++) {
    memcpy(&fragments[i].offset, offsets.data + i * sizeof(uint32_t), sizeof(uint32_t));
    memcpy(&fragments[i].length, lengths.data + i * sizeof(uint32_t), sizeof(uint32_t));
  }
  return SendFragments(env, args, socket, fragments, count);
}

napi_value Kick(napi_env env, napi_callback_info info) {
  Args args(env, info, 1);
  auto* socket = args.handle<Xsk>(0);
  int error = args.ok() ? socket->Kick() : 0;
  if (error < 0) Throw(env, "sendto", error);
  return nullptr;
}

napi_value Reap(napi_env env, napi_callback_info info) {
  Args args(env, info, 1);
  auto* socket = args.handle<Xsk>(0);
  if (args.ok()) socket->Reap();
  return nullptr;
}

napi_value Watch(napi_env env, napi_callback_info info) {
  Args args(env, info, 3);
  auto* socket = args.handle<Xsk>(0);
  uint32_t interval_ms = args.u32(1);
  bool delivers = args.boolean(2);
  int error = args.ok() ? socket->Watch(interval_ms, delivers) : 0;
  if (error < 0) Throw(env, "epoll_ctl", error);
  return nullptr;
}

napi_value Stop(napi_env env, napi_callback_info info) {
  Args args(env, info, 1);
  auto* socket = args.handle<Xsk>(0);
  if (args.ok()) socket->Stop();
  return nullptr;
}

napi_value Statistics(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* socket = args.handle<Xsk>(0);
  if (!args.ok()) return nullptr;
  xdp_statistics found = {};
  socklen_t size = sizeof(found);
  bool read = Call(env, "XDP_STATISTICS",
                   [&] { return ErrnoOf(getsockopt(socket->fd(), SOL_XDP, XDP_STATISTICS, &found, &size)); });
  if (!read) return nullptr;
  auto result = Napi::Object::New(env);
  auto set = [&](const char* name, uint64_t value) { result[name] = Napi::Value(env, ToJs(env, value)); };
  set("rxDropped", found.rx_dropped);
  set("rxInvalid", found.rx_invalid_descs);
  set("txInvalid", found.tx_invalid_descs);
  set("rxRingFull", found.rx_ring_full);
  set("fillRingEmpty", found.rx_fill_ring_empty_descs);
  set("txRingEmpty", found.tx_ring_empty_descs);
  set("txDropped", socket->dropped_by_device());
  set("txRingFull", socket->found_no_room());
  result["unsent"] = socket->unsent();
  return result;
}

napi_value ZeroCopy(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* socket = args.handle<Xsk>(0);
  if (!args.ok()) return nullptr;
  xdp_options found = {};
  socklen_t size = sizeof(found);
  bool read = Call(env, "XDP_OPTIONS",
                   [&] { return ErrnoOf(getsockopt(socket->fd(), SOL_XDP, XDP_OPTIONS, &found, &size)); });
  return read ? ToJs(env, (found.flags & XDP_OPTIONS_ZEROCOPY) != 0) : nullptr;
}

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* socket = args.closable<Xsk>(0);
  if (args.ok()) socket->Close();
  return nullptr;
}

}  // namespace

void DefineXsk(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"xskNew", New},
             {"xskFd", Fd},
             {"xskReceive", Receive},
             {"xskFinish", Finish},
             {"xskSend", Send},
             {"xskSendParts", SendParts},
             {"xskKick", Kick},
             {"xskReap", Reap},
             {"xskWatch", Watch},
             {"xskStop", Stop},
             {"xskStatistics", Statistics},
             {"xskZeroCopy", ZeroCopy},
             {"xskClose", Close},
         });
}
