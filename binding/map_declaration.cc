// What a map is: its type, sizes, flags and pin path, which libbpf lets you set until load, and the values
// that section and struct_ops maps begin with.
#include <cstring>

#include "addon.h"
#include "map.h"
#include "program.h"
#include "util/call.h"
#include "util/compat.h"
#include "util/descriptor.h"

namespace {

// ---- Properties

// A property that libbpf keeps for the maps of an object, and the kernel for all maps.
template <auto Read, auto Field>
napi_value Get(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* map = args.handle<Map>(0);
  if (!args.ok()) return nullptr;
  if (map->get() != nullptr) return ToJs(env, static_cast<uint32_t>(Read(map->get())));
  return ToJs(env, static_cast<uint32_t>(map->info().*Field));
}

// The same for setters. libbpf's setters read the map's object, which an inner map does not have.
bpf_map* Settable(napi_env env, Args& args) {
  bpf_map* map = Declared(env, args);
  if (map == nullptr || !args.handle<Map>(0)->is_inner()) return map;
  napi_throw_error(env, "ERR_BPF_STATE", "an inner map cannot be changed: it is as it was declared");
  return nullptr;
}

// A property that only the maps of an object have.
template <auto Read>
napi_value GetDeclared(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = Declared(env, args);
  return map != nullptr ? ToJs(env, Read(map)) : nullptr;
}

// Calls one of libbpf's setters. The function is registered with the setter's name.
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

// libbpf maps the memory of sections at open. It allows changes of their type and length all the same, and
// would then unmap another size than it has mapped.
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
  // libbpf does not resize the data of a struct_ops map.
  if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS) return -EINVAL;
  return bpf_map__set_value_size(map, size);
}

int ReuseFd(Map& map, int fd) {
  // libbpf would replace a map that programs and our buffers were made for.
  if (map.object->tried || map.bound) return -EBUSY;
  bpf_map_info info;
  int error = ReadMapInfo(fd, info);
  if (error != 0) return error;
  // libbpf does not check what kind of file it is.
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
  // Until load, libbpf keeps only the number, and the user may close the descriptor.
  UniqueFd copy = UniqueFd::Duplicate(fd);
  if (!copy.IsOpen()) return copy.get();
  int held = copy.get();
  map.object->held.push_back(std::move(copy));
  return bpf_map__set_inner_map_fd(map.get(), held);
}

// The two setters that take a descriptor. The function is registered with the setter's name.
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

// ---- Memory: the initial value before load, and then the mapped section

napi_value InitialValue(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = Declared(env, args);
  if (map == nullptr) return nullptr;
  size_t size = 0;
  const void* memory = MemoryOf(*args.handle<Map>(0)->object, map, &size);
  return memory != nullptr ? CopyBytes(env, memory, size) : Undefined(env);
}

// libbpf's setter only works for sections. Its users write into a struct_ops map directly. Function pointers
// in there have to be programs of the object, which libbpf checks when it loads.
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

napi_value SetExclusiveProgram(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = Settable(env, args);
  auto* program = args.handle<Program>(1);
  if (!args.ok() || map == nullptr) return nullptr;
  Call(env, "bpf_map__set_exclusive_program", [&] {
    // libbpf would read the program of another object after that was closed.
    if (program->object != args.handle<Map>(0)->object) return -EINVAL;
    return bpf_map__set_exclusive_program(map, program->get());
  });
  return Undefined(env);
}

napi_value ExclusiveProgram(napi_env env, napi_callback_info info) {
  Args args(env, info);
  bpf_map* map = Declared(env, args);
  if (map == nullptr) return nullptr;
  bpf_program* program = bpf_map__exclusive_program(map);
  return program != nullptr ? ToJs(env, bpf_program__name(program)) : Undefined(env);
}

}  // namespace

void DefineMapDeclaration(napi_env env, napi_value exports) {
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
             {"mapSetExclusiveProgram", SetExclusiveProgram},
             {"mapExclusiveProgram", ExclusiveProgram},
             {"mapReuseFd", SetFd<ReuseFd>, "bpf_map__reuse_fd"},
             {"mapInitialValue", InitialValue},
             {"mapSetInitialValue", SetInitialValue},
         });
}
