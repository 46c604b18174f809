#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>

#include <cstring>

#include "addon.h"
#include "event_source.h"
#include "map.h"
#include "util/call.h"

namespace {

// One CPU's buffer of a BPF_MAP_TYPE_PERF_EVENT_ARRAY. libbpf would open those of all CPUs at once; one at a
// time, each is watched on its own and those of CPUs that come online later can follow.
class PerfBuffer : public EventSource {
 public:
  explicit PerfBuffer(Environment& environment) : EventSource(environment) {}
  ~PerfBuffer() override { Close(); }

  int Open(int map_fd, int cpu, size_t pages, uint32_t wakeup_events, uint32_t watermark,
           napi_value on_batch) {
    perf_event_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.size = sizeof(attr);
    attr.config = PERF_COUNT_SW_BPF_OUTPUT;
    attr.type = PERF_TYPE_SOFTWARE;
    attr.sample_type = PERF_SAMPLE_RAW;
    attr.sample_period = 1;
    if (watermark > 0) {
      attr.watermark = 1;
      attr.wakeup_watermark = watermark;
    } else {
      attr.wakeup_events = wakeup_events;
    }
    perf_buffer_raw_opts options;
    memset(&options, 0, sizeof(options));
    options.sz = sizeof(options);
    options.cpu_cnt = 1;
    options.cpus = &cpu;
    options.map_keys = &cpu;
    buffer_ = perf_buffer__new_raw(map_fd, pages, &attr, Event, this, &options);
    if (buffer_ == nullptr) return -errno;
    int fd = perf_buffer__buffer_fd(buffer_, 0);
    return fd < 0 ? fd : EventSource::Open(fd, on_batch);
  }

  uint64_t lost() const { return lost_; }

 private:
  static bpf_perf_event_ret Event(void* context, int, perf_event_header* event) {
    auto* self = static_cast<PerfBuffer*>(context);
    if (event->type == PERF_RECORD_LOST) {
      struct Lost {
        perf_event_header header;
        uint64_t id;
        uint64_t lost;
      };
      self->lost_ += reinterpret_cast<Lost*>(event)->lost;
      return LIBBPF_PERF_EVENT_CONT;
    }
    if (event->type != PERF_RECORD_SAMPLE) return LIBBPF_PERF_EVENT_CONT;
    struct Sample {
      perf_event_header header;
      uint32_t size;
      uint8_t data[];
    };
    auto* sample = reinterpret_cast<Sample*>(event);
    bool fitted = self->Take(sample->data, sample->size);
    return fitted && self->budget() > 0 ? LIBBPF_PERF_EVENT_CONT : LIBBPF_PERF_EVENT_DONE;
  }

  int Drain() override { return perf_buffer__consume_buffer(buffer_, 0); }

  bool IsLevelTriggered() const override { return false; }
  bool WillWake() const override { return false; }

  void Release() override {
    perf_buffer__free(buffer_);
    buffer_ = nullptr;
  }

  perf_buffer* buffer_ = nullptr;
  uint64_t lost_ = 0;
};

napi_value New(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  auto cpu = static_cast<int>(args.integer(1, 0, INT32_MAX));
  uint32_t pages = args.u32(2);
  uint32_t wakeup_events = args.u32(3);
  uint32_t watermark = args.u32(4);
  napi_value on_batch = args.function(5);
  if (!args.ok()) return nullptr;
  auto buffer = std::make_unique<PerfBuffer>(Environment::Of(env));
  bool opened = Call(env, "perf_buffer__new_raw",
                     [&] { return buffer->Open(map->fd(), cpu, pages, wakeup_events, watermark, on_batch); });
  return opened ? Wrap(env, buffer.release()) : nullptr;
}

napi_value Lost(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* source = args.handle<EventSource>(0);
  if (!args.ok()) return nullptr;
  auto* buffer = dynamic_cast<PerfBuffer*>(source);
  if (buffer != nullptr) return ToJs(env, buffer->lost());
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "the source is not a perf buffer");
  return nullptr;
}

}  // namespace

void DefinePerfBuffer(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"perfBufferNew", New},
             {"perfBufferLost", Lost},
         });
}
