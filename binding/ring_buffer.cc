#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "addon.h"
#include "event_source.h"
#include "map.h"
#include "map_reader.h"
#include "util/call.h"
#include "util/unique_fd.h"

namespace {

uint64_t LoadAcquire(const uint64_t* value) { return __atomic_load_n(value, __ATOMIC_ACQUIRE); }

// The reader of a BPF_MAP_TYPE_RINGBUF. libbpf would call us back for each record; here, all committed
// records that lie next to each other are copied at once. In the ring and in the slab, a record looks the
// same: a header of 8 bytes with its length, the record, and padding up to a multiple of 8.
class RingBuffer : public EventSource {
 public:
  static constexpr const char* kIsNot = "the source is not a ring buffer";

  explicit RingBuffer(Environment& environment) : EventSource(environment) {}
  ~RingBuffer() override { Close(); }

  // Returns -EBUSY if the map has a reader in this process already.
  int Open(int map_fd, napi_value on_ready) {
    bpf_map_info map;
    int error = ReadMapInfo(map_fd, map);
    if (error < 0) return error;
    if (map.type != BPF_MAP_TYPE_RINGBUF) return -EINVAL;
    error = reader_.Claim(map_fd);
    if (error < 0) return error;
    // A descriptor of our own, because the map's descriptor is closed with its object.
    map_fd_ = UniqueFd::Duplicate(map_fd);
    if (!map_fd_.IsOpen()) return map_fd_.get();
    error = Map(map.max_entries);
    return error < 0 ? error : EventSource::Open(map_fd_.get(), size_, on_ready);
  }

  size_t size() const { return size_; }
  size_t available() const { return producer_position() - consumer_position(); }
  uint64_t consumer_position() const { return LoadAcquire(consumer_); }
  uint64_t producer_position() const { return LoadAcquire(producer_); }

 private:
  // The consumer's page is writable, all else is not. The kernel maps the data twice, one after the other, so
  // that a record at the end of the ring lies in one piece.
  int Map(size_t size) {
    page_size_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    void* consumer = mmap(nullptr, page_size_, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd_.get(), 0);
    if (consumer == MAP_FAILED) return -errno;
    consumer_ = static_cast<uint64_t*>(consumer);
    void* producer = mmap(nullptr, page_size_ + 2 * size, PROT_READ, MAP_SHARED, map_fd_.get(),
                          static_cast<off_t>(page_size_));
    if (producer == MAP_FAILED) return -errno;
    producer_ = static_cast<uint64_t*>(producer);
    data_ = static_cast<uint8_t*>(producer) + page_size_;
    size_ = size;
    return 0;
  }

  const uint8_t* At(uint64_t position) const { return data_ + (position & (size_ - 1)); }

  uint32_t HeaderAt(uint64_t position) const {
    return __atomic_load_n(reinterpret_cast<const uint32_t*>(At(position)), __ATOMIC_ACQUIRE);
  }

  // Other processes can write to the consumer's position, so it may be anything.
  bool IsPossible(uint64_t consumer, uint64_t producer) const {
    return producer - consumer <= size_ && consumer % 8 == 0;
  }

  bool HasRecords() const override {
    uint64_t consumer = consumer_position();
    uint64_t producer = producer_position();
    if (consumer == producer) return false;
    // Drain() says what is wrong.
    if (!IsPossible(consumer, producer)) return true;
    return (HeaderAt(consumer) & BPF_RINGBUF_BUSY_BIT) == 0;
  }

  // Another process may read the ring, too. What was copied only counts if the consumer's position is still
  // where it was: until it moves, the kernel overwrites nothing.
  int Drain(Batch& batch) override {
    while (true) {
      uint64_t from = consumer_position();
      uint64_t to = from;
      Batch copied = batch;
      int error = Copy(copied, to);
      if (error < 0) {
        if (consumer_position() == from) return error;
      } else if (__atomic_compare_exchange_n(consumer_, &from, to, false, __ATOMIC_ACQ_REL,
                                             __ATOMIC_RELAXED)) {
        batch = copied;
        return 0;
      }
    }
  }

  // Copies the records at `position` and moves it behind them. Returns -EBADMSG where there cannot be a
  // record.
  int Copy(Batch& batch, uint64_t& position) const {
    uint64_t end = producer_position();
    if (!IsPossible(position, end)) return -EBADMSG;
    // Committed records that lie next to each other, up to `position`, are copied in one piece.
    uint64_t first = position;
    auto copy_run = [&] {
      size_t bytes = position - first;
      if (bytes > 0) memcpy(batch.memory + batch.used - bytes, At(first), bytes);
    };
    while (position != end) {
      uint32_t header = HeaderAt(position);
      if ((header & BPF_RINGBUF_BUSY_BIT) != 0) break;
      size_t bytes = InSlab(header & ~BPF_RINGBUF_DISCARD_BIT);
      if (bytes > end - position) return -EBADMSG;
      if ((header & BPF_RINGBUF_DISCARD_BIT) != 0) {
        copy_run();
        position += bytes;
        first = position;
        continue;
      }
      // Most records are as long as the one before. If they are only compared, the processor reads the next
      // header while it waits for this one; to add up lengths, it would have to know each before the next.
      uint64_t last = position + std::min<uint64_t>(end - position, batch.room - batch.used);
      uint32_t records = 0;
      uint32_t most = batch.limit - batch.records;
      uint64_t next = position;
      while (records < most && bytes <= last - next && HeaderAt(next) == header) {
        next += bytes;
        records++;
      }
      if (!batch.Add(next - position, records)) {
        batch.Refuse(bytes);
        break;
      }
      position = next;
    }
    copy_run();
    return 0;
  }

  const char* drain_operation() const override { return "ring_buffer__consume"; }
  bool IsLevelTriggered() const override { return true; }

  void Release() override {
    if (consumer_ != nullptr) munmap(consumer_, page_size_);
    if (producer_ != nullptr) munmap(producer_, page_size_ + 2 * size_);
    consumer_ = nullptr;
    producer_ = nullptr;
    map_fd_.Reset();
    reader_.Release();
  }

  UniqueFd map_fd_;
  MapReader reader_;
  size_t page_size_ = 0;
  size_t size_ = 0;
  uint64_t* consumer_ = nullptr;
  uint64_t* producer_ = nullptr;
  const uint8_t* data_ = nullptr;
};

napi_value New(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  napi_value on_ready = args.function(1);
  if (!args.ok()) return nullptr;
  auto ring = std::make_unique<RingBuffer>(Environment::Of(env));
  if (!Call(env, "ring_buffer__new", [&] { return ring->Open(map->fd(), on_ready); })) return nullptr;
  return Wrap(env, ring.release());
}

template <uint64_t (RingBuffer::*read)() const>
napi_value Position(napi_env env, napi_callback_info info) {
  Args args(env, info);
  const RingBuffer* ring = SourceOf<RingBuffer>(env, args);
  return ring != nullptr ? ToJs(env, (ring->*read)()) : nullptr;
}

}  // namespace

void DefineRingBuffer(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"ringBufferNew", New},
             {"ringBufferAvailable", SourceSize<RingBuffer, &RingBuffer::available>},
             {"ringBufferSize", SourceSize<RingBuffer, &RingBuffer::size>},
             {"ringBufferConsumerPosition", Position<&RingBuffer::consumer_position>},
             {"ringBufferProducerPosition", Position<&RingBuffer::producer_position>},
         });
}
