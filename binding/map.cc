#include "map.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "addon.h"
#include "link.h"
#include "util/call.h"
#include "util/descriptor.h"
#include "util/options.h"

Map::~Map() { Close(); }

void Map::Close() {
  for (napi_ref& buffer : buffers) {
    if (buffer != nullptr) napi_delete_reference(env, buffer);
    buffer = nullptr;
  }
  bound = false;
  fd_.Reset();
}

namespace {

// ---- Fields

// A field that libbpf keeps for an object's map, and the kernel for any.
template <auto Read, auto Field>
napi_value Get(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  if (!args.ok()) return nullptr;
  if (map->get() != nullptr) return ToJs(env, static_cast<uint32_t>(Read(map->get())));
  return ToJs(env, static_cast<uint32_t>(map->info().*Field));
}

// The bpf_map behind the argument. Only lib/ calls these for a map that has none, and never for the user.
bpf_map* Declared(napi_env env, Args& args) {
  auto* map = args.handle<Map>(0);
  if (!args.ok()) return nullptr;
  if (map->get() == nullptr) napi_throw_error(env, "ERR_BPF_STATE", "the map belongs to no object");
  return map->get();
}

// The same for what changes it: libbpf's setters look at the object, and inner maps have none.
bpf_map* Settable(napi_env env, Args& args) {
  bpf_map* map = Declared(env, args);
  if (map == nullptr || !args.handle<Map>(0)->is_inner()) return map;
  napi_throw_error(env, "ERR_BPF_STATE", "an inner map is as it was declared");
  return nullptr;
}

// A field that only an object's map has.
template <auto Read>
napi_value GetDeclared(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = Declared(env, args);
  return map != nullptr ? ToJs(env, Read(map)) : nullptr;
}

// libbpf's setters: `data` is the function's name.
template <class T, int (*Write)(bpf_map*, T)>
napi_value Set(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = Settable(env, args);
  T value;
  if constexpr (std::is_same_v<T, bool>) {
    value = args.boolean(1);
  } else if constexpr (std::is_same_v<T, __u64>) {
    value = args.bigint(1);
  } else {
    value = static_cast<T>(args.u32(1));
  }
  if (!args.ok() || map == nullptr) return nullptr;
  Call(env, static_cast<const char*>(args.data()), [&] { return Write(map, value); });
  return Undefined(env);
}

napi_value Name(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  if (!args.ok()) return nullptr;
  if (map->get() != nullptr) return ToJs(env, bpf_map__name(map->get()));
  const char* name = map->info().name;
  return ToJs(env, std::string(name, strnlen(name, BPF_OBJ_NAME_LEN)));
}

napi_value Extra(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  if (!args.ok()) return nullptr;
  return ToJs(env, uint64_t{map->get() != nullptr ? bpf_map__map_extra(map->get()) : map->info().map_extra});
}

uint32_t NumaNode(const bpf_map* map) { return bpf_map__numa_node(map); }
uint32_t Ifindex(const bpf_map* map) { return bpf_map__ifindex(map); }

// libbpf lets these be changed under a map whose memory it has mapped by the old values, and unmaps by the
// new ones.
bool HasMemory(const bpf_map* map) {
  size_t size = 0;
  return bpf_map__initial_value(map, &size) != nullptr;
}

int SetType(bpf_map* map, bpf_map_type type) {
  return HasMemory(map) ? -EINVAL : bpf_map__set_type(map, type);
}

int SetMaxEntries(bpf_map* map, uint32_t entries) {
  return HasMemory(map) ? -EINVAL : bpf_map__set_max_entries(map, entries);
}

int SetValueSize(bpf_map* map, uint32_t size) {
  // The data of a struct_ops map stays as long as it was.
  if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS) return -EINVAL;
  return bpf_map__set_value_size(map, size);
}

int ReuseFd(Map& map, int fd) {
  // libbpf would put it in the place of a map that programs, and our buffers, were made for.
  if (map.object->tried || map.bound) return -EBUSY;
  bpf_map_info info;
  int error = ReadMapInfo(fd, info);
  if (error != 0) return error;
  // libbpf takes any file for a map.
  if (!IsBpf("map", fd)) return -EINVAL;
  if (HasMemory(map.get()) &&
      (info.type != bpf_map__type(map.get()) || info.value_size != bpf_map__value_size(map.get()) ||
       info.max_entries != bpf_map__max_entries(map.get()))) {
    return -EINVAL;
  }
  return bpf_map__reuse_fd(map.get(), fd);
}

int SetInnerMapFd(Map& map, int fd) {
  if (map.object->tried) return -EBUSY;
  // libbpf keeps the number only, until load.
  UniqueFd copy = UniqueFd::Duplicate(fd);
  if (!copy.IsOpen()) return copy.get();
  int held = copy.get();
  map.object->held.push_back(std::move(copy));
  return bpf_map__set_inner_map_fd(map.get(), held);
}

// The two that take a descriptor; `data` is the function's name.
template <int (*Write)(Map&, int)>
napi_value SetFd(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = Settable(env, args);
  int fd = args.i32(1);
  if (!args.ok() || map == nullptr) return nullptr;
  Call(env, static_cast<const char*>(args.data()), [&] { return Write(*args.handle<Map>(0), fd); });
  return Undefined(env);
}

napi_value SetPinPath(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = Settable(env, args);
  auto path = args.optionalString(1);
  if (!args.ok() || map == nullptr) return nullptr;
  Call(env, "bpf_map__set_pin_path",
       [&] { return bpf_map__set_pin_path(map, path ? path->c_str() : nullptr); });
  return Undefined(env);
}

napi_value InnerMap(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  if (!args.ok()) return nullptr;
  bpf_map* inner = map->get() != nullptr ? bpf_map__inner_map(map->get()) : nullptr;
  return inner != nullptr ? Wrap(env, new Map(map->object, inner, map->get())) : Undefined(env);
}

// ---- Memory: the initial value before load, the mapped section after it

// The memory that may be touched: libbpf's notion of its size goes wrong for the two kinds left out.
uint8_t* MemoryOf(const ObjectState& object, bpf_map* map, size_t* size) {
  bool struct_ops = bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS;
  if (bpf_map__type(map) == BPF_MAP_TYPE_ARENA || (struct_ops && object.tried)) return nullptr;
  return static_cast<uint8_t*>(bpf_map__initial_value(map, size));
}

napi_value InitialValue(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = Declared(env, args);
  if (map == nullptr) return nullptr;
  size_t size = 0;
  const void* memory = MemoryOf(*args.handle<Map>(0)->object, map, &size);
  return memory != nullptr ? CopyBytes(env, memory, size) : Undefined(env);
}

// libbpf's setter is for sections only; into a struct_ops map its users write themselves. What stands there
// for a function has to be one of the object's programs, which libbpf checks when it loads.
int WriteInitialValue(bpf_map* map, const Bytes& value) {
  if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS) {
    return bpf_map__set_initial_value(map, value.data, value.size);
  }
  size_t size = 0;
  void* memory = bpf_map__initial_value(map, &size);
  if (memory == nullptr || size != value.size) return -EINVAL;
  memcpy(memory, value.data, size);
  return 0;
}

napi_value SetInitialValue(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = Settable(env, args);
  Bytes value = args.bytes(1);
  if (!args.ok() || map == nullptr) return nullptr;
  Call(env, "bpf_map__set_initial_value", [&] { return WriteInitialValue(map, value); });
  return Undefined(env);
}

// The part of the memory that `offset` and the bytes of argument 2 name; null, without an exception, where
// the map has none.
uint8_t* Memory(napi_env env, Args& args, bpf_map** map, Bytes* bytes) {
  *map = Declared(env, args);
  uint64_t offset = args.u53(1);
  *bytes = args.bytes(2);
  if (!args.ok() || *map == nullptr) return nullptr;
  size_t size = 0;
  uint8_t* memory = MemoryOf(*args.handle<Map>(0)->object, *map, &size);
  if (memory == nullptr) return nullptr;
  if (offset > size || bytes->size > size - offset) {
    args.Reject(1, "is beyond the end of the map's memory");
    return nullptr;
  }
  return memory + offset;
}

napi_value MemoryRead(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = nullptr;
  Bytes target;
  uint8_t* memory = Memory(env, args, &map, &target);
  if (memory != nullptr && target.size > 0) memcpy(target.data, memory, target.size);
  return ToJs(env, memory != nullptr);
}

napi_value MemoryWrite(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = nullptr;
  Bytes source;
  uint8_t* memory = Memory(env, args, &map, &source);
  if (memory == nullptr) return ToJs(env, false);
  // libbpf maps such sections read-only when it loads, and a write would be a SIGSEGV.
  if (args.handle<Map>(0)->object->tried && (bpf_map__map_flags(map) & BPF_F_RDONLY_PROG) != 0) {
    return Throw(env, "bpf_map__initial_value", -EACCES);
  }
  if (source.size > 0) memcpy(memory, source.data, source.size);
  return ToJs(env, true);
}

// ---- Elements

// How long keys and values are in a system call, by the kernel's own word: libbpf's may differ, and the
// kernel writes what it thinks.
struct Sizes {
  uint32_t key = 0;
  uint64_t value = 0;
};

bool KnowSizes(napi_env env, const Map& map, Sizes* sizes) {
  bpf_map_info info;
  // Sizes are final once the map is in the kernel.
  if (map.fd() < 0) {
    napi_throw_error(env, "ERR_BPF_STATE", "the map is not in the kernel");
    return false;
  }
  if (!Call(env, "bpf_map_get_info_by_fd", [&] { return ReadMapInfo(map.fd(), info); })) return false;
  sizes->key = info.key_size;
  sizes->value = info.value_size;
  switch (info.type) {
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
    case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE: {
      int cpus = 0;
      if (!Call(env, "libbpf_num_possible_cpus", [&] { return cpus = libbpf_num_possible_cpus(); }))
        return false;
      sizes->value = ((uint64_t{info.value_size} + 7) & ~uint64_t{7}) * static_cast<uint64_t>(cpus);
    }
  }
  return true;
}

napi_value ValueBytes(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  Sizes sizes;
  if (!args.ok() || !KnowSizes(env, *map, &sizes)) return nullptr;
  napi_value result = nullptr;
  napi_create_int64(env, static_cast<int64_t>(sizes.value), &result);
  return result;
}

napi_value Bind(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  Bytes key = args.bytes(1);
  Bytes value = args.bytes(2);
  Sizes sizes;
  if (!args.ok() || !KnowSizes(env, *map, &sizes)) return nullptr;
  if (key.size != sizes.key) args.Reject(1, "is not as long as the map's key");
  if (value.size != sizes.value) args.Reject(2, "is not as long as the map's value");
  if (!args.ok()) return nullptr;
  map->env = env;
  for (int i = 0; i < 2; i++) {
    if (map->buffers[i] != nullptr) napi_delete_reference(env, map->buffers[i]);
    napi_create_reference(env, args[1 + i], 1, &map->buffers[i]);
  }
  // The kernel wants no key at all for maps without one.
  map->key = key.size > 0 ? key.data : nullptr;
  map->value = value.size > 0 ? value.data : nullptr;
  map->key_size = key.size;
  map->value_size = value.size;
  map->bound = true;
  return Undefined(env);
}

Map* Bound(napi_env env, Args& args) {
  auto* map = args.handle<Map>(0);
  if (map == nullptr || map->bound) return map;
  napi_throw_error(env, "ERR_BPF_STATE", "the map has no buffers");
  return nullptr;
}

// Flags are given where they are not 0.
uint64_t Flags(Args& args) { return args.count() > 1 ? args.u53(1) : 0; }

// The end of a call for which a missing key is an answer. Success is `undefined`, which costs nothing. libbpf
// prints nothing in these calls, so nothing is captured.
napi_value Found(napi_env env, const char* operation, int error) {
  if (error == 0) return nullptr;
  return error == -ENOENT ? ToJs(env, false) : Throw(env, operation, error);
}

napi_value Lookup(napi_env env, napi_callback_info info) {
  Args args(env, info, 2);
  Map* map = Bound(env, args);
  uint64_t flags = Flags(args);
  if (!args.ok() || map == nullptr) return nullptr;
  return Found(env, "bpf_map_lookup_elem", bpf_map_lookup_elem_flags(map->fd(), map->key, map->value, flags));
}

napi_value Update(napi_env env, napi_callback_info info) {
  Args args(env, info, 2);
  Map* map = Bound(env, args);
  uint64_t flags = Flags(args);
  if (!args.ok() || map == nullptr) return nullptr;
  int error = bpf_map_update_elem(map->fd(), map->key, map->value, flags);
  return error == 0 ? nullptr : Throw(env, "bpf_map_update_elem", error);
}

napi_value Delete(napi_env env, napi_callback_info info) {
  Args args(env, info, 2);
  Map* map = Bound(env, args);
  if (!args.ok() || map == nullptr) return nullptr;
  return Found(env, "bpf_map_delete_elem", bpf_map_delete_elem(map->fd(), map->key));
}

napi_value LookupAndDelete(napi_env env, napi_callback_info info) {
  Args args(env, info, 2);
  Map* map = Bound(env, args);
  uint64_t flags = Flags(args);
  if (!args.ok() || map == nullptr) return nullptr;
  return Found(env, "bpf_map_lookup_and_delete_elem",
               bpf_map_lookup_and_delete_elem_flags(map->fd(), map->key, map->value, flags));
}

napi_value NextKey(napi_env env, napi_callback_info info) {
  Args args(env, info, 2);
  Map* map = Bound(env, args);
  bool first = args.boolean(1);
  if (!args.ok() || map == nullptr) return nullptr;
  return Found(env, "bpf_map_get_next_key",
               bpf_map_get_next_key(map->fd(), first ? nullptr : map->key, map->key));
}

// ---- Batches

// Counts that go in and out: how many entries there is room for, or are given, and how many it came to.
uint32_t* Count(napi_env env, Args& args, size_t i) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (!args.ok()) return nullptr;
  if (napi_get_typedarray_info(env, args[i], &type, &length, &data, nullptr, nullptr) == napi_ok &&
      type == napi_uint32_array && length == 1) {
    return static_cast<uint32_t*>(data);
  }
  args.Reject(i, "is not a Uint32Array of one");
  return nullptr;
}

bool Fits(const Bytes& bytes, size_t element, uint32_t count) {
  return element == 0 || bytes.size / element >= count;
}

napi_value LookupBatch(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Map* map = Bound(env, args);
  Bytes cursor = args.bytes(1);
  bool first = args.boolean(2);
  Bytes keys = args.bytes(3);
  Bytes values = args.bytes(4);
  uint32_t* count = Count(env, args, 5);
  uint64_t flags = args.u53(6);
  bool take = args.boolean(7);
  if (!args.ok() || map == nullptr) return nullptr;
  // The kernel keeps a bucket's number or a key in it.
  if (cursor.size < sizeof(uint32_t) || cursor.size < map->key_size) args.Reject(1, "is too short");
  if (!Fits(keys, map->key_size, *count)) args.Reject(3, "is too short");
  if (!Fits(values, map->value_size, *count)) args.Reject(4, "is too short");
  if (!args.ok()) return nullptr;
  bpf_map_batch_opts options;
  InitOptions(options);
  options.elem_flags = flags;
  auto* lookup = take ? bpf_map_lookup_and_delete_batch : bpf_map_lookup_batch;
  int error =
      lookup(map->fd(), first ? nullptr : cursor.data, cursor.data, keys.data, values.data, count, &options);
  if (error == 0 || error == -ENOENT) return ToJs(env, error == 0);
  return Throw(env, take ? "bpf_map_lookup_and_delete_batch" : "bpf_map_lookup_batch", error);
}

napi_value UpdateBatch(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Map* map = Bound(env, args);
  Bytes keys = args.bytes(1);
  Bytes values = args.bytes(2);
  uint32_t* count = Count(env, args, 3);
  uint64_t flags = args.u53(4);
  if (!args.ok() || map == nullptr) return nullptr;
  if (!Fits(keys, map->key_size, *count)) args.Reject(1, "is too short");
  if (!Fits(values, map->value_size, *count)) args.Reject(2, "is too short");
  if (!args.ok()) return nullptr;
  bpf_map_batch_opts options;
  InitOptions(options);
  options.elem_flags = flags;
  int error = bpf_map_update_batch(map->fd(), keys.data, values.data, count, &options);
  return error == 0 ? Undefined(env) : Throw(env, "bpf_map_update_batch", error);
}

napi_value DeleteBatch(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Map* map = Bound(env, args);
  Bytes keys = args.bytes(1);
  uint32_t* count = Count(env, args, 2);
  if (!args.ok() || map == nullptr) return nullptr;
  if (!Fits(keys, map->key_size, *count)) args.Reject(1, "is too short");
  if (!args.ok()) return nullptr;
  int error = bpf_map_delete_batch(map->fd(), keys.data, count, nullptr);
  if (error == 0 || error == -ENOENT) return ToJs(env, error == 0);
  return Throw(env, "bpf_map_delete_batch", error);
}

napi_value Freeze(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  if (!args.ok()) return nullptr;
  Call(env, "bpf_map_freeze", [&] { return bpf_map_freeze(map->fd()); });
  return Undefined(env);
}

// ---- Pins and descriptors

napi_value Pin(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  auto path = args.optionalString(1);
  if (!args.ok()) return nullptr;
  const char* target = path ? path->c_str() : nullptr;
  if (map->get() != nullptr) {
    Call(env, "bpf_map__pin", [&] { return bpf_map__pin(map->get(), target); });
  } else {
    Call(env, "bpf_obj_pin", [&] { return target != nullptr ? bpf_obj_pin(map->fd(), target) : -EINVAL; });
  }
  return Undefined(env);
}

napi_value Unpin(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  auto path = args.optionalString(1);
  if (!args.ok()) return nullptr;
  const char* target = path ? path->c_str() : nullptr;
  if (map->get() != nullptr) {
    Call(env, "bpf_map__unpin", [&] { return bpf_map__unpin(map->get(), target); });
  } else {
    Call(env, "unlink", [&] { return target != nullptr ? ErrnoOf(unlink(target)) : -EINVAL; });
  }
  return Undefined(env);
}

napi_value Info(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  if (!args.ok()) return nullptr;
  bpf_map_info found;
  if (!Call(env, "bpf_map_get_info_by_fd", [&] { return ReadMapInfo(map->fd(), found); })) return nullptr;
  auto result = Napi::Object::New(env);
  result["type"] = found.type;
  result["id"] = found.id;
  result["name"] = std::string(found.name, strnlen(found.name, sizeof(found.name)));
  result["keySize"] = found.key_size;
  result["valueSize"] = found.value_size;
  result["maxEntries"] = found.max_entries;
  result["flags"] = found.map_flags;
  result["ifindex"] = found.ifindex;
  result["btfId"] = found.btf_id;
  result["btfKeyTypeId"] = found.btf_key_type_id;
  result["btfValueTypeId"] = found.btf_value_type_id;
  result["btfVmlinuxValueTypeId"] = found.btf_vmlinux_value_type_id;
  result["netnsDev"] = Napi::Value(env, ToJs(env, uint64_t{found.netns_dev}));
  result["netnsIno"] = Napi::Value(env, ToJs(env, uint64_t{found.netns_ino}));
  result["extra"] = Napi::Value(env, ToJs(env, uint64_t{found.map_extra}));
  return result;
}

// A handle for a descriptor that is ours from here on.
napi_value Adopt(napi_env env, UniqueFd fd) {
  bpf_map_info found;
  bool is_map = Call(env, "bpf_map_get_info_by_fd",
                     [&] { return IsBpf("map", fd.get()) ? ReadMapInfo(fd.get(), found) : -EINVAL; });
  return is_map ? Wrap(env, new Map(std::move(fd), found)) : nullptr;
}

napi_value Create(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto type = static_cast<bpf_map_type>(args.u32(0));
  auto name = args.optionalString(1);
  uint32_t key_size = args.u32(2);
  uint32_t value_size = args.u32(3);
  uint32_t max_entries = args.u32(4);
  bpf_map_create_opts options;
  InitOptions(options);
  options.map_flags = args.u32(5);
  options.map_extra = args.bigint(6);
  options.numa_node = args.u32(7);
  options.inner_map_fd = static_cast<uint32_t>(args.i32(8));
  options.map_ifindex = args.u32(9);
  int btf_fd = args.i32(10);
  options.btf_key_type_id = args.u32(11);
  options.btf_value_type_id = args.u32(12);
  if (!args.ok()) return nullptr;
  int fd = -1;
  auto create = [&] {
    return fd = bpf_map_create(type, name ? name->c_str() : nullptr, key_size, value_size, max_entries,
                               &options);
  };
  bool created = Call(env, "bpf_map_create", [&] {
    options.btf_fd = static_cast<uint32_t>(btf_fd);
    if (btf_fd >= 0 && create() >= 0) return fd;
    // As libbpf does it: not every type of map may have types, nor every kernel's.
    options.btf_fd = options.btf_key_type_id = options.btf_value_type_id = 0;
    return create();
  });
  return created ? Adopt(env, UniqueFd(fd)) : nullptr;
}

napi_value FromFd(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.i32(0);
  if (!args.ok()) return nullptr;
  UniqueFd copy;
  bool copied = Call(env, "fcntl", [&] {
    copy = UniqueFd::Duplicate(fd);
    return copy.get();
  });
  return copied ? Adopt(env, std::move(copy)) : nullptr;
}

napi_value FromId(napi_env env, napi_callback_info info) {
  Args args(env, info);
  uint32_t id = args.u32(0);
  if (!args.ok()) return nullptr;
  int fd = -1;
  bool opened = Call(env, "bpf_map_get_fd_by_id", [&] { return fd = bpf_map_get_fd_by_id(id); });
  return opened ? Adopt(env, UniqueFd(fd)) : nullptr;
}

napi_value FromPin(napi_env env, napi_callback_info info) {
  Args args(env, info);
  std::string path = args.string(0);
  struct bpf_obj_get_opts options;
  InitOptions(options);
  options.file_flags = args.u32(1);
  if (!args.ok()) return nullptr;
  int fd = -1;
  bool opened = Call(env, "bpf_obj_get", [&] { return fd = bpf_obj_get_opts(path.c_str(), &options); });
  return opened ? Adopt(env, UniqueFd(fd)) : nullptr;
}

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.closable<Map>(0);
  if (args.ok()) map->Close();
  return Undefined(env);
}

napi_value AttachStructOps(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = Declared(env, args);
  if (map == nullptr) return nullptr;
  bpf_link* link = nullptr;
  if (!Call(env, "bpf_map__attach_struct_ops",
            [&] { return ErrorOf(link = bpf_map__attach_struct_ops(map)); })) {
    return nullptr;
  }
  return WrapLink(env, link, args.handle<Map>(0)->object, true);
}

}  // namespace

void DefineMap(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"mapName", Name},
             {"mapType", Get<bpf_map__type, &bpf_map_info::type>},
             {"mapSetType", Set<bpf_map_type, SetType>, "bpf_map__set_type"},
             {"mapKeySize", Get<bpf_map__key_size, &bpf_map_info::key_size>},
             {"mapSetKeySize", Set<uint32_t, bpf_map__set_key_size>, "bpf_map__set_key_size"},
             {"mapValueSize", Get<bpf_map__value_size, &bpf_map_info::value_size>},
             {"mapSetValueSize", Set<uint32_t, SetValueSize>, "bpf_map__set_value_size"},
             {"mapMaxEntries", Get<bpf_map__max_entries, &bpf_map_info::max_entries>},
             {"mapSetMaxEntries", Set<uint32_t, SetMaxEntries>, "bpf_map__set_max_entries"},
             {"mapFlags", Get<bpf_map__map_flags, &bpf_map_info::map_flags>},
             {"mapSetFlags", Set<uint32_t, bpf_map__set_map_flags>, "bpf_map__set_map_flags"},
             {"mapExtra", Extra},
             {"mapSetExtra", Set<__u64, bpf_map__set_map_extra>, "bpf_map__set_map_extra"},
             {"mapNumaNode", GetDeclared<NumaNode>},
             {"mapSetNumaNode", Set<uint32_t, bpf_map__set_numa_node>, "bpf_map__set_numa_node"},
             {"mapIfindex", GetDeclared<Ifindex>},
             {"mapSetIfindex", Set<uint32_t, bpf_map__set_ifindex>, "bpf_map__set_ifindex"},
             {"mapAutocreate", GetDeclared<bpf_map__autocreate>},
             {"mapSetAutocreate", Set<bool, bpf_map__set_autocreate>, "bpf_map__set_autocreate"},
             {"mapAutoattach", GetDeclared<bpf_map__autoattach>},
             {"mapSetAutoattach", Set<bool, bpf_map__set_autoattach>, "bpf_map__set_autoattach"},
             {"mapPinPath", GetDeclared<bpf_map__pin_path>},
             {"mapSetPinPath", SetPinPath},
             {"mapIsPinned", GetDeclared<bpf_map__is_pinned>},
             {"mapIsInternal", GetDeclared<bpf_map__is_internal>},
             {"mapBtfKeyTypeId", Get<bpf_map__btf_key_type_id, &bpf_map_info::btf_key_type_id>},
             {"mapBtfValueTypeId", Get<bpf_map__btf_value_type_id, &bpf_map_info::btf_value_type_id>},
             {"mapInnerMap", InnerMap},
             {"mapSetInnerMapFd", SetFd<SetInnerMapFd>, "bpf_map__set_inner_map_fd"},
             {"mapReuseFd", SetFd<ReuseFd>, "bpf_map__reuse_fd"},
             {"mapInitialValue", InitialValue},
             {"mapSetInitialValue", SetInitialValue},
             {"mapMemoryRead", MemoryRead},
             {"mapMemoryWrite", MemoryWrite},
             {"mapFd",
              [](napi_env env, napi_callback_info info) {
                Args args(env, info);
                auto* map = args.handle<Map>(0);
                return args.ok() ? ToJs(env, int32_t{map->fd()}) : nullptr;
              }},
             {"mapValueBytes", ValueBytes},
             {"mapBind", Bind},
             {"mapLookup", Lookup},
             {"mapUpdate", Update},
             {"mapDelete", Delete},
             {"mapLookupAndDelete", LookupAndDelete},
             {"mapNextKey", NextKey},
             {"mapLookupBatch", LookupBatch},
             {"mapUpdateBatch", UpdateBatch},
             {"mapDeleteBatch", DeleteBatch},
             {"mapFreeze", Freeze},
             {"mapPin", Pin},
             {"mapUnpin", Unpin},
             {"mapInfo", Info},
             {"mapCreate", Create},
             {"mapFromFd", FromFd},
             {"mapFromId", FromId},
             {"mapFromPin", FromPin},
             {"mapClose", Close},
             {"mapAttachStructOps", AttachStructOps},
         });
}
