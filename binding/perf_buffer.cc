#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "addon.h"
#include "event_source.h"
#include "map.h"
#include "map_reader.h"
#include "util/call.h"
#include "util/options.h"
#include "util/unique_fd.h"

namespace {

perf_event_attr BpfOutput() {
  perf_event_attr attr;
  Zero(attr);
  attr.size = sizeof(attr);
  attr.config = PERF_COUNT_SW_BPF_OUTPUT;
  attr.type = PERF_TYPE_SOFTWARE;
  attr.sample_type = PERF_SAMPLE_RAW;
  attr.sample_period = 1;
  attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED;
  return attr;
}

struct Lost {
  perf_event_header header;
  uint64_t id;
  uint64_t lost;
};

struct Sample {
  perf_event_header header;
  uint32_t size;
  uint8_t data[];
};

// The memory of an event that the kernel writes records to: a page with the positions, then the data.
struct PerfMemory {
  perf_event_mmap_page* page = nullptr;
  const uint8_t* data = nullptr;
  // Of the data, a power of two.
  size_t size = 0;

  uint64_t head() const { return __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE); }

  // Positions count up forever, and what begins at the end of the data goes on at its beginning.
  void CopyOut(uint64_t from, void* to, size_t bytes) const {
    size_t at = from & (size - 1);
    size_t first = bytes < size - at ? bytes : size - at;
    memcpy(to, data + at, first);
    memcpy(static_cast<uint8_t*>(to) + first, data, bytes - first);
  }
};

// For how many nanoseconds the event was on its CPU, or a negative errno. When the CPU goes offline, the
// kernel silently takes the event off, and never puts it back.
int64_t TimeOnCpu(int event_fd) {
  uint64_t values[2];
  return read(event_fd, values, sizeof(values)) == sizeof(values) ? static_cast<int64_t>(values[1]) : -errno;
}

// One CPU's buffer of a BPF_MAP_TYPE_PERF_EVENT_ARRAY. libbpf can open the buffers of all CPUs at once. We
// open them one by one, so that each can be watched on its own, and those of CPUs that come online can
// follow.
class PerfBuffer : public EventSource {
 public:
  static constexpr const char* kIsNot = "the source is not a perf buffer";

  explicit PerfBuffer(Environment& environment) : EventSource(environment) {}
  ~PerfBuffer() override { Close(); }

  // Returns -EBUSY if the CPU's buffer has a reader in this process already.
  int Open(int map_fd, int cpu, size_t pages, uint32_t wakeup_events, uint32_t watermark,
           napi_value on_ready) {
    int error = reader_.Claim(map_fd, cpu);
    if (error < 0) return error;
    // A descriptor of our own, because the map's descriptor is closed with its object. Its number could then
    // be another map's when libbpf takes the buffer out of the map in the end.
    map_fd_ = UniqueFd::Duplicate(map_fd);
    if (!map_fd_.IsOpen()) return map_fd_.get();
    perf_event_attr attr = BpfOutput();
    if (watermark > 0) {
      attr.watermark = 1;
      attr.wakeup_watermark = watermark;
    } else {
      attr.wakeup_events = wakeup_events;
    }
    // Drain() reads the records; libbpf is never asked to.
    auto unused = [](void*, int, perf_event_header*) { return LIBBPF_PERF_EVENT_DONE; };
    perf_buffer_raw_opts options;
    InitOptions(options);
    options.cpu_cnt = 1;
    options.cpus = &cpu;
    options.map_keys = &cpu;
    buffer_ = perf_buffer__new_raw(map_fd_.get(), pages, &attr, unused, nullptr, &options);
    if (buffer_ == nullptr) return -errno;
    void* memory = nullptr;
    perf_buffer__buffer(buffer_, 0, &memory, &memory_.size);
    memory_.page = static_cast<perf_event_mmap_page*>(memory);
    memory_.data = static_cast<uint8_t*>(memory) + sysconf(_SC_PAGESIZE);
    int fd = perf_buffer__buffer_fd(buffer_, 0);
    return fd < 0 ? fd : EventSource::Open(fd, memory_.size, on_ready);
  }

  uint64_t lost() const { return lost_; }
  size_t size() const { return memory_.size; }
  size_t available() const { return memory_.head() - memory_.page->data_tail; }
  int64_t time_on_cpu() const { return TimeOnCpu(perf_buffer__buffer_fd(buffer_, 0)); }

 private:
  bool HasRecords() const override { return memory_.head() != memory_.page->data_tail; }

  int Drain(Batch& batch) override {
    uint64_t head = memory_.head();
    uint64_t tail = memory_.page->data_tail;
    int error = 0;
    while (tail != head) {
      perf_event_header header;
      memory_.CopyOut(tail, &header, sizeof(header));
      if (header.size < sizeof(header) || header.size > head - tail) {
        error = -EBADMSG;
        break;
      }
      if (header.type == PERF_RECORD_LOST && header.size >= sizeof(Lost)) {
        Lost lost;
        memory_.CopyOut(tail, &lost, sizeof(lost));
        lost_ += lost.lost;
      } else if (header.type == PERF_RECORD_SAMPLE && header.size >= sizeof(Sample)) {
        uint32_t length = 0;
        memory_.CopyOut(tail + offsetof(Sample, size), &length, sizeof(length));
        if (length > header.size - sizeof(Sample)) {
          error = -EBADMSG;
          break;
        }
        uint8_t* to = batch.Add(InSlab(length));
        if (to == nullptr) break;
        memcpy(to, &length, sizeof(length));
        memory_.CopyOut(tail + sizeof(Sample), to + kHeader, length);
      }
      tail += header.size;
    }
    __atomic_store_n(&memory_.page->data_tail, tail, __ATOMIC_RELEASE);
    return error;
  }

  const char* drain_operation() const override { return "perf_buffer__consume"; }
  bool IsLevelTriggered() const override { return false; }

  void Release() override {
    perf_buffer__free(buffer_);
    buffer_ = nullptr;
    memory_ = {};
    map_fd_.Reset();
    reader_.Release();
  }

  UniqueFd map_fd_;
  MapReader reader_;
  perf_buffer* buffer_ = nullptr;
  PerfMemory memory_;
  uint64_t lost_ = 0;
};

napi_value New(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  auto cpu = static_cast<int>(args.integer(1, 0, INT32_MAX));
  uint32_t pages = args.u32(2);
  uint32_t wakeup_events = args.u32(3);
  uint32_t watermark = args.u32(4);
  napi_value on_ready = args.function(5);
  if (!args.ok()) return nullptr;
  auto buffer = std::make_unique<PerfBuffer>(Environment::Of(env));
  bool opened = Call(env, "perf_buffer__new_raw",
                     [&] { return buffer->Open(map->fd(), cpu, pages, wakeup_events, watermark, on_ready); });
  return opened ? Wrap(env, buffer.release()) : nullptr;
}

napi_value LostOf(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* buffer = SourceOf<PerfBuffer>(env, args);
  return buffer != nullptr ? ToJs(env, buffer->lost()) : nullptr;
}

napi_value TimeToJs(napi_env env, int64_t time) {
  return time < 0 ? Throw(env, "read", static_cast<int>(time)) : ToJs(env, static_cast<uint64_t>(time));
}

napi_value SourceTime(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* buffer = SourceOf<PerfBuffer>(env, args);
  return buffer != nullptr ? TimeToJs(env, buffer->time_on_cpu()) : nullptr;
}

// ---- Overwritable

// One CPU's buffer that the kernel fills backwards, over and over, so that the newest records are always in
// it. libbpf cannot make one. Nobody is told of records; they are looked for when someone asks.
class PerfRecorder : public Handle {
 public:
  static constexpr Kind kKind = Kind::kPerfRecorder;
  PerfRecorder() : Handle(kKind) {}
  ~PerfRecorder() override { Close(); }
  const char* Refusal() const override { return memory_.page == nullptr ? "ERR_BPF_CLOSED" : nullptr; }

  // Returns -EBUSY if the CPU's buffer has a reader in this process already.
  int Open(int map_fd, int cpu, size_t pages) {
    // An array of numbers would accept the descriptor, too.
    bpf_map_info map;
    int error = ReadMapInfo(map_fd, map);
    if (error != 0) return error;
    if (map.type != BPF_MAP_TYPE_PERF_EVENT_ARRAY) return -EINVAL;
    error = reader_.Claim(map_fd, cpu);
    if (error < 0) return error;
    perf_event_attr attr = BpfOutput();
    attr.write_backward = 1;
    fd_.Reset(static_cast<int>(syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
    if (!fd_.IsOpen()) return -errno;
    auto page_size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    memory_.size = pages * page_size;
    mapped_ = page_size + memory_.size;
    // The kernel overwrites a buffer that we cannot write to.
    void* memory = mmap(nullptr, mapped_, PROT_READ, MAP_SHARED, fd_.get(), 0);
    if (memory == MAP_FAILED) return -errno;
    memory_.page = static_cast<perf_event_mmap_page*>(memory);
    memory_.data = static_cast<uint8_t*>(memory) + page_size;
    if (ioctl(fd_.get(), PERF_EVENT_IOC_ENABLE, 0) < 0) return -errno;
    key_ = cpu;
    int event = fd_.get();
    if (bpf_map_update_elem(map_fd, &key_, &event, BPF_ANY) < 0) return -errno;
    map_fd_ = UniqueFd::Duplicate(map_fd);
    return map_fd_.IsOpen() ? 0 : map_fd_.get();
  }

  size_t size() const { return memory_.size; }
  int Pause(bool on) { return ErrnoOf(ioctl(fd_.get(), PERF_EVENT_IOC_PAUSE_OUTPUT, on ? 1 : 0)); }
  int64_t time_on_cpu() const { return TimeOnCpu(fd_.get()); }

  // The records, oldest first, each as in a slab. They are only consistent while the output is paused.
  OwnedBytes Records() const {
    uint64_t head = memory_.head();
    struct Found {
      uint64_t data;
      uint32_t length;
    };
    std::vector<Found> newest_first;
    size_t total = 0;
    for (size_t at = 0; at + sizeof(perf_event_header) <= memory_.size;) {
      perf_event_header header;
      memory_.CopyOut(head + at, &header, sizeof(header));
      // Memory that was never written to is zero. The newest record may have overwritten the end of the
      // oldest.
      if (header.size < sizeof(header) || header.size > memory_.size - at) break;
      if (header.type == PERF_RECORD_SAMPLE && header.size >= sizeof(Sample)) {
        uint32_t length = 0;
        memory_.CopyOut(head + at + offsetof(Sample, size), &length, sizeof(length));
        if (length > header.size - sizeof(Sample)) break;
        newest_first.push_back({head + at + sizeof(Sample), length});
        total += EventSource::InSlab(length);
      }
      at += header.size;
    }
    OwnedBytes records = OwnedBytes::Zeroed(total);
    if (records.failed()) return records;
    uint8_t* to = records.data();
    for (auto found = newest_first.rbegin(); found != newest_first.rend(); ++found) {
      memcpy(to, &found->length, sizeof(found->length));
      memory_.CopyOut(found->data, to + EventSource::kHeader, found->length);
      to += EventSource::InSlab(found->length);
    }
    return records;
  }

  void Close() {
    if (map_fd_.IsOpen()) bpf_map_delete_elem(map_fd_.get(), &key_);
    if (memory_.page != nullptr) munmap(memory_.page, mapped_);
    memory_ = {};
    fd_.Reset();
    map_fd_.Reset();
    reader_.Release();
  }

 private:
  UniqueFd fd_;
  UniqueFd map_fd_;
  MapReader reader_;
  int key_ = 0;
  PerfMemory memory_;
  size_t mapped_ = 0;
};

napi_value NewRecorder(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  auto cpu = static_cast<int>(args.integer(1, 0, INT32_MAX));
  auto pages = static_cast<size_t>(args.integer(2, 1, int64_t{1} << 30));
  if (args.ok() && (pages & (pages - 1)) != 0) args.Reject(2, "is not a power of two");
  if (!args.ok()) return nullptr;
  auto recorder = std::make_unique<PerfRecorder>();
  if (!Call(env, "perf_event_open", [&] { return recorder->Open(map->fd(), cpu, pages); })) return nullptr;
  recorder->Account(env, static_cast<int64_t>(recorder->size()));
  return Wrap(env, recorder.release());
}

napi_value PauseRecorder(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* recorder = args.handle<PerfRecorder>(0);
  bool on = args.boolean(1);
  if (args.ok()) Call(env, "PERF_EVENT_IOC_PAUSE_OUTPUT", [&] { return recorder->Pause(on); });
  return Undefined(env);
}

napi_value RecorderRecords(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* recorder = args.handle<PerfRecorder>(0);
  if (!args.ok()) return nullptr;
  OwnedBytes records = recorder->Records();
  if (records.failed()) {
    napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "the records need more memory than there is");
    return nullptr;
  }
  return CopyBytes(env, records.data(), records.size());
}

napi_value RecorderTime(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* recorder = args.handle<PerfRecorder>(0);
  return args.ok() ? TimeToJs(env, recorder->time_on_cpu()) : nullptr;
}

napi_value CloseRecorder(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* recorder = args.closable<PerfRecorder>(0);
  if (args.ok()) {
    recorder->Account(env, 0);
    recorder->Close();
  }
  return Undefined(env);
}

}  // namespace

void DefinePerfBuffer(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"perfBufferNew", New},
             {"perfBufferLost", LostOf},
             {"perfBufferAvailable", SourceSize<PerfBuffer, &PerfBuffer::available>},
             {"perfBufferSize", SourceSize<PerfBuffer, &PerfBuffer::size>},
             {"perfBufferTime", SourceTime},
             {"perfRecorderNew", NewRecorder},
             {"perfRecorderPause", PauseRecorder},
             {"perfRecorderRecords", RecorderRecords},
             {"perfRecorderTime", RecorderTime},
             {"perfRecorderClose", CloseRecorder},
         });
}
