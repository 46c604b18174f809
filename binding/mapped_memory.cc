// The memory of maps that user space can map: arrays with BPF_F_MMAPABLE, and arenas. JavaScript gets copies,
// because Electron does not allow ArrayBuffers on memory that V8 did not allocate.
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>

#include "addon.h"
#include "map.h"
#include "util/call.h"

// deps/libbpf-program.c. Missing in a libbpf that is not our own.
extern "C" __attribute__((weak)) size_t libbpf_node_arena_data_offset(const bpf_map* map);

namespace {

class Memory : public Handle {
 public:
  static constexpr Kind kKind = Kind::kMappedMemory;
  // Owns the mapping if there is no `owner`.
  Memory(uint8_t* start, size_t size, size_t mapped, bool writable, bool arena,
         std::shared_ptr<ObjectState> owner)
      : Handle(kKind),
        size(size),
        writable(writable),
        arena(arena),
        start_(start),
        mapped_(mapped),
        owner_(std::move(owner)) {}
  ~Memory() override { Close(); }

  const char* Refusal() const override {
    if (start_ == nullptr) return "ERR_BPF_CLOSED";
    return owner_ ? owner_->Refusal() : nullptr;
  }
  void Close() {
    if (start_ != nullptr && !owner_) munmap(start_, mapped_);
    start_ = nullptr;
  }
  uint8_t* start() const { return start_; }

  const size_t size;
  const bool writable;
  const bool arena;

 private:
  uint8_t* start_;
  size_t mapped_;
  std::shared_ptr<ObjectState> owner_;
};

napi_value Mmap(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  bool writable = args.boolean(1);
  if (!args.ok()) return nullptr;
  bpf_map_info found;
  if (!Call(env, "bpf_map_get_info_by_fd", [&] { return ReadMapInfo(map->fd(), found); })) return nullptr;
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  bool arena = found.type == BPF_MAP_TYPE_ARENA;
  size_t stride = arena ? page : (size_t{found.value_size} + 7) & ~size_t{7};
  if (!arena && (found.type != BPF_MAP_TYPE_ARRAY || (found.map_flags & BPF_F_MMAPABLE) == 0)) {
    return Throw(env, "mmap", -ENOTSUP);
  }
  size_t size = stride * found.max_entries;
  size_t mapped = (size + page - 1) & ~(page - 1);
  // An arena can be mapped only once, and libbpf has mapped those of objects.
  if (arena && map->get() != nullptr) {
    size_t ignored = 0;
    void* start = bpf_map__initial_value(map->get(), &ignored);
    if (start == nullptr) return Throw(env, "mmap", -EBUSY);
    return Wrap(env, new Memory(static_cast<uint8_t*>(start), size, mapped, true, true, map->object));
  }
  int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* start = MAP_FAILED;
  bool done = Call(env, "mmap", [&] {
    // The address that was requested when the arena was created.
    void* hint = arena ? reinterpret_cast<void*>(static_cast<uintptr_t>(found.map_extra)) : nullptr;
    start = mmap(hint, mapped, protection, MAP_SHARED | (hint != nullptr ? MAP_FIXED_NOREPLACE : 0),
                 map->fd(), 0);
    return start == MAP_FAILED ? -errno : 0;
  });
  if (!done) return nullptr;
  return Wrap(env, new Memory(static_cast<uint8_t*>(start), size, mapped, writable, arena, nullptr));
}

// The address of argument 1, the offset, if the bytes of argument 2 fit there.
uint8_t* Place(Args& args, Memory** memory, Bytes* bytes) {
  *memory = args.handle<Memory>(0);
  uint64_t offset = args.u53(1);
  *bytes = args.bytes(2);
  if (!args.ok()) return nullptr;
  if (offset <= (*memory)->size && bytes->size <= (*memory)->size - offset)
    return (*memory)->start() + offset;
  args.Reject(1, "is beyond the end of the memory");
  return nullptr;
}

// Touching a page that cannot be allocated would be a SIGSEGV. In a system call it is an error.
template <auto Copy>
void CopyArena(napi_env env, const char* operation, uint8_t* place, Bytes bytes) {
  iovec local = {bytes.data, bytes.size};
  iovec remote = {place, bytes.size};
  ssize_t copied = Copy(getpid(), &local, 1, &remote, 1, 0);
  if (copied != static_cast<ssize_t>(bytes.size)) Throw(env, operation, copied < 0 ? -errno : -EFAULT);
}

napi_value Read(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Memory* memory = nullptr;
  Bytes target;
  uint8_t* place = Place(args, &memory, &target);
  if (place == nullptr || target.size == 0) return nullptr;
  if (memory->arena) {
    CopyArena<process_vm_readv>(env, "process_vm_readv", place, target);
  } else {
    memcpy(target.data, place, target.size);
  }
  return nullptr;
}

napi_value Write(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Memory* memory = nullptr;
  Bytes source;
  uint8_t* place = Place(args, &memory, &source);
  if (place == nullptr) return nullptr;
  if (!memory->writable) return Throw(env, "mmap", -EACCES);
  if (source.size == 0) return nullptr;
  if (memory->arena) {
    CopyArena<process_vm_writev>(env, "process_vm_writev", place, source);
  } else {
    memcpy(place, source.data, source.size);
  }
  return nullptr;
}

napi_value Size(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* memory = args.handle<Memory>(0);
  napi_value size = nullptr;
  if (args.ok()) napi_create_int64(env, static_cast<int64_t>(memory->size), &size);
  return size;
}

napi_value Address(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* memory = args.handle<Memory>(0);
  if (!args.ok()) return nullptr;
  return ToJs(env, static_cast<uint64_t>(reinterpret_cast<uintptr_t>(memory->start())));
}

napi_value ArenaVariables(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = Declared(env, args);
  if (!args.ok() || map == nullptr) return nullptr;
  if (libbpf_node_arena_data_offset == nullptr)
    return Throw(env, "libbpf_node_arena_data_offset", -EOPNOTSUPP);
  napi_value offset = nullptr;
  napi_create_int64(env, static_cast<int64_t>(libbpf_node_arena_data_offset(map)), &offset);
  return offset;
}

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* memory = args.closable<Memory>(0);
  if (args.ok()) memory->Close();
  return Undefined(env);
}

}  // namespace

void DefineMappedMemory(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"mapMmap", Mmap},
             {"memorySize", Size},
             {"memoryAddress", Address},
             {"mapArenaVariables", ArenaVariables},
             {"memoryRead", Read},
             {"memoryWrite", Write},
             {"memoryClose", Close},
         });
}
