// The rings of an AF_XDP socket, which the kernel shares with us. One side writes entries and moves the
// producer, the other one reads them and moves the consumer.
#pragma once

#include <linux/if_xdp.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "util/unique_fd.h"

template <class Entry>
class XskRing {
 public:
  XskRing() = default;
  XskRing(const XskRing&) = delete;
  XskRing& operator=(const XskRing&) = delete;
  ~XskRing() { Unmap(); }

  // Returns a negative errno on failure. The mapping stays when the descriptor is closed.
  int Map(int fd, const xdp_ring_offset& offset, uint32_t size, uint64_t page_offset) {
    bytes_ = offset.desc + size * sizeof(Entry);
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
                        static_cast<off_t>(page_offset));
    if (memory == MAP_FAILED) return -errno;
    memory_ = static_cast<uint8_t*>(memory);
    producer_ = reinterpret_cast<uint32_t*>(memory_ + offset.producer);
    consumer_ = reinterpret_cast<uint32_t*>(memory_ + offset.consumer);
    flags_ = reinterpret_cast<uint32_t*>(memory_ + offset.flags);
    entries_ = reinterpret_cast<Entry*>(memory_ + offset.desc);
    mask_ = size - 1;
    mine_ = 0;
    other_ = 0;
    return 0;
  }

  void Unmap() {
    if (memory_ != nullptr) munmap(memory_, bytes_);
    memory_ = nullptr;
  }

  bool IsMapped() const { return memory_ != nullptr; }
  size_t bytes() const { return memory_ != nullptr ? bytes_ : 0; }
  uint32_t size() const { return mask_ + 1; }
  bool WantsWakeup() const { return (__atomic_load_n(flags_, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) != 0; }

  // ---- For the side that writes. `mine_` is our producer, `other_` the last known consumer.

  // How many entries can be written. Looks at the kernel's consumer only if fewer than `wanted` are known.
  uint32_t Room(uint32_t wanted = UINT32_MAX) {
    uint32_t room = size() - (mine_ - other_);
    if (room >= wanted) return room;
    other_ = __atomic_load_n(consumer_, __ATOMIC_ACQUIRE);
    return size() - (mine_ - other_);
  }
  Entry& Next() { return entries_[mine_++ & mask_]; }
  void Publish() { __atomic_store_n(producer_, mine_, __ATOMIC_RELEASE); }
  // How many entries the kernel has not taken yet.
  uint32_t Pending() const { return mine_ - __atomic_load_n(consumer_, __ATOMIC_ACQUIRE); }
  // The oldest of these, which the kernel reads again if it refused it.
  Entry& Oldest() { return entries_[__atomic_load_n(consumer_, __ATOMIC_ACQUIRE) & mask_]; }
  // The same; each call takes it away, after the socket has been closed.
  Entry TakeBack() {
    uint32_t oldest = __atomic_load_n(consumer_, __ATOMIC_RELAXED);
    __atomic_store_n(consumer_, oldest + 1, __ATOMIC_RELAXED);
    return entries_[oldest & mask_];
  }

  // ---- For the side that reads. `mine_` is our consumer, `other_` the last known producer.

  // How many entries can be read. Looks at the kernel's producer only if fewer than `wanted` are known.
  uint32_t Available(uint32_t wanted = UINT32_MAX) {
    if (other_ - mine_ < wanted) other_ = __atomic_load_n(producer_, __ATOMIC_ACQUIRE);
    // Both numbers are in memory that only we and the kernel can write to.
    return std::min(other_ - mine_, size());
  }
  const Entry& Peek(uint32_t ahead) const { return Readable()[ahead]; }
  // The entries that can be read, for loops.
  struct Entries {
    const Entry* entries;
    uint32_t first, mask;
    const Entry& operator[](uint32_t ahead) const { return entries[(first + ahead) & mask]; }
  };
  Entries Readable() const { return {entries_, mine_, mask_}; }
  void Consume(uint32_t count) {
    mine_ += count;
    __atomic_store_n(consumer_, mine_, __ATOMIC_RELEASE);
  }

 private:
  uint8_t* memory_ = nullptr;
  size_t bytes_ = 0;
  uint32_t* producer_ = nullptr;
  uint32_t* consumer_ = nullptr;
  uint32_t* flags_ = nullptr;
  Entry* entries_ = nullptr;
  uint32_t mask_ = 0;
  uint32_t mine_ = 0;
  uint32_t other_ = 0;
};
