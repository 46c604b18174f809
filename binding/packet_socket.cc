// Reads the packets of an interface from a ring that the kernel shares with us (AF_PACKET, TPACKET_V3). The
// kernel fills one block after the other, and hands a block over when it is full or too old.
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>

#include "addon.h"
#include "event_source.h"
#include "program.h"
#include "util/call.h"
#include "util/options.h"
#include "util/unique_fd.h"

// linux/if_packet.h of Linux 4.20
#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

namespace {

using Clock = std::chrono::steady_clock;

// What comes before the bytes of a packet. lib/events/packet.ts reads it.
struct Header {
  uint64_t time;
  uint32_t length;
  uint32_t ifindex;
  uint32_t hash;
  uint16_t protocol;
  uint8_t type;
  uint8_t has_vlan;
  uint16_t vlan;
  uint16_t vlan_protocol;
  uint32_t unused;
};
static_assert(sizeof(Header) == 32);

struct Settings {
  int ifindex;
  uint32_t block_size;
  uint32_t blocks;
  uint32_t block_timeout_ms;
  bool promiscuous;
  bool outgoing;
};

class PacketSocket : public EventSource {
 public:
  static constexpr const char* kIsNot = "the source is not a packet socket";

  explicit PacketSocket(Environment& environment) : EventSource(environment) {}
  ~PacketSocket() override { Close(); }

  // `filter` is the descriptor of a program, or negative.
  int Open(const Settings& settings, int filter, napi_value on_ready) {
    settings_ = settings;
    // Without a protocol it receives nothing until it is bound, when the filter is in its place.
    fd_.Reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd_.IsOpen()) return -errno;
    if (filter >= 0 && !Set(SOL_SOCKET, SO_ATTACH_BPF, filter)) return -errno;
    if (!Set(SOL_PACKET, PACKET_VERSION, int{TPACKET_V3})) return -errno;
    int ignored = settings.outgoing ? 0 : 1;
    if (ignored && !Set(SOL_PACKET, PACKET_IGNORE_OUTGOING, ignored)) return -errno;
    int error = Map();
    if (error < 0) return error;
    if (settings.promiscuous) {
      packet_mreq request;
      Zero(request);
      request.mr_ifindex = settings.ifindex;
      request.mr_type = PACKET_MR_PROMISC;
      if (!Set(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)) return -errno;
    }
    error = EventSource::Open(fd_.get(), size_, on_ready);
    if (error < 0) return error;
    sockaddr_ll address;
    Zero(address);
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = settings.ifindex;
    return ErrnoOf(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)));
  }

  size_t size() const { return size_; }

  // The kernel forgets the numbers when it is asked.
  int CountStatistics() {
    tpacket_stats_v3 since;
    socklen_t length = sizeof(since);
    if (getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &since, &length) < 0) return -errno;
    packets_ += since.tp_packets;
    drops_ += since.tp_drops;
    return 0;
  }
  uint64_t packets() const { return packets_; }
  uint64_t drops() const { return drops_; }

 private:
  template <class Value>
  bool Set(int level, int option, const Value& value) {
    return setsockopt(fd_.get(), level, option, &value, sizeof(value)) == 0;
  }

  int Map() {
    tpacket_req3 request;
    Zero(request);
    // The size of a frame only has to divide that of a block: with this version, packets lie next to each
    // other.
    request.tp_frame_size = 2048;
    request.tp_block_size = settings_.block_size;
    request.tp_block_nr = settings_.blocks;
    request.tp_frame_nr = settings_.block_size / request.tp_frame_size * settings_.blocks;
    request.tp_retire_blk_tov = settings_.block_timeout_ms;
    request.tp_feature_req_word = TP_FT_REQ_FILL_RXHASH;
    if (!Set(SOL_PACKET, PACKET_RX_RING, request)) return -errno;
    size_t size = size_t{settings_.block_size} * settings_.blocks;
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (memory == MAP_FAILED) return -errno;
    memory_ = static_cast<uint8_t*>(memory);
    size_ = size;
    return 0;
  }

  tpacket_hdr_v1& Block() const {
    auto* block = reinterpret_cast<tpacket_block_desc*>(memory_ + size_t{block_} * settings_.block_size);
    return block->hdr.bh1;
  }

  bool HasRecords() const override {
    return left_ > 0 || (__atomic_load_n(&Block().block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) != 0;
  }

  int Drain(Batch& batch) override {
    while (HasRecords()) {
      tpacket_hdr_v1& block = Block();
      if (left_ == 0) {
        left_ = block.num_pkts;
        next_ = block.offset_to_first_pkt;
      }
      for (; left_ > 0; left_--) {
        if (!Copy(batch)) return 0;
      }
      __atomic_store_n(&block.block_status, uint32_t{TP_STATUS_KERNEL}, __ATOMIC_RELEASE);
      block_ = (block_ + 1) % settings_.blocks;
    }
    return 0;
  }

  // Copies the next packet of the block. Returns false if there is no room for it.
  bool Copy(Batch& batch) {
    const uint8_t* start =
        reinterpret_cast<const uint8_t*>(&Block()) - offsetof(tpacket_block_desc, hdr) + next_;
    const auto* packet = reinterpret_cast<const tpacket3_hdr*>(start);
    const auto* address = reinterpret_cast<const sockaddr_ll*>(start + TPACKET_ALIGN(sizeof(*packet)));
    auto length = static_cast<uint32_t>(sizeof(Header) + packet->tp_snaplen);
    uint8_t* to = batch.Add(InSlab(length));
    if (to == nullptr) return false;
    Header header;
    Zero(header);
    header.time = uint64_t{packet->tp_sec} * 1'000'000'000 + packet->tp_nsec;
    header.length = packet->tp_len;
    header.ifindex = static_cast<uint32_t>(address->sll_ifindex);
    header.hash = packet->hv1.tp_rxhash;
    header.protocol = ntohs(address->sll_protocol);
    header.type = address->sll_pkttype;
    header.has_vlan = (packet->tp_status & TP_STATUS_VLAN_VALID) != 0;
    header.vlan = static_cast<uint16_t>(packet->hv1.tp_vlan_tci);
    header.vlan_protocol = packet->hv1.tp_vlan_tpid;
    memcpy(to, &length, sizeof(length));
    memcpy(to + kHeader, &header, sizeof(header));
    memcpy(to + kHeader + sizeof(header), start + packet->tp_mac, packet->tp_snaplen);
    next_ += packet->tp_next_offset;
    return true;
  }

  // poll() reports an error when the interface goes down, and when it is removed. Only then is it the end,
  // once the kernel has had the time to hand over the last block.
  int EndsIn() override {
    sockaddr_ll address;
    socklen_t length = sizeof(address);
    Zero(address);
    bool is_gone = getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0 &&
                   settings_.ifindex != 0 && address.sll_ifindex != settings_.ifindex;
    if (!is_gone) {
      int error = 0;
      length = sizeof(error);
      // Reading the error clears it.
      getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
      return -1;
    }
    if (gone_since_ == Clock::time_point()) gone_since_ = Clock::now();
    auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - gone_since_).count();
    int64_t rest = int64_t{2} * settings_.block_timeout_ms + 10 - passed;
    return rest > 0 ? static_cast<int>(rest) : 0;
  }

  const char* drain_operation() const override { return "recv"; }
  bool IsLevelTriggered() const override { return true; }

  void Release() override {
    if (memory_ != nullptr) munmap(memory_, size_);
    memory_ = nullptr;
    fd_.Reset();
  }

  Settings settings_ = {};
  UniqueFd fd_;
  uint8_t* memory_ = nullptr;
  size_t size_ = 0;
  // The block that is read, how many of its packets are left, and where the next one is.
  uint32_t block_ = 0;
  uint32_t left_ = 0;
  uint32_t next_ = 0;
  uint64_t packets_ = 0;
  uint64_t drops_ = 0;
  Clock::time_point gone_since_;
};

napi_value New(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Settings settings;
  settings.ifindex = static_cast<int>(args.integer(0, 0, INT32_MAX));
  settings.block_size = static_cast<uint32_t>(args.integer(1, 1 << 12, 1 << 26));
  settings.blocks = static_cast<uint32_t>(args.integer(2, 1, 1 << 16));
  settings.block_timeout_ms = static_cast<uint32_t>(args.integer(3, 1, 60'000));
  settings.promiscuous = args.boolean(4);
  settings.outgoing = args.boolean(5);
  Program* program = args.is(6, napi_undefined) ? nullptr : args.handle<Program>(6);
  napi_value on_ready = args.function(7);
  if (!args.ok()) return nullptr;
  auto socket = std::make_unique<PacketSocket>(Environment::Of(env));
  bool opened = Call(env, "packet socket", [&] {
    int filter = program == nullptr ? -1 : bpf_program__fd(program->get());
    if (program != nullptr && filter < 0) return -EBADF;
    return socket->Open(settings, filter, on_ready);
  });
  return opened ? Wrap(env, socket.release()) : nullptr;
}

napi_value Statistics(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* socket = SourceOf<PacketSocket>(env, args);
  if (socket == nullptr) return nullptr;
  if (!Call(env, "getsockopt", [&] { return socket->CountStatistics(); })) return nullptr;
  return CopyU64s(env, {socket->packets(), socket->drops()});
}

}  // namespace

void DefinePacketSocket(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"packetSocketNew", New},
             {"packetSocketStatistics", Statistics},
             {"packetSocketSize", SourceSize<PacketSocket, &PacketSocket::size>},
         });
}
