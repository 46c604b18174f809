#include "program.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "addon.h"
#include "link.h"
#include "util/call.h"

namespace {

template <auto Read>
napi_value Get(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  if (!args.ok()) return nullptr;
  auto value = Read(program->get());
  if constexpr (std::is_enum_v<decltype(value)> || std::is_same_v<decltype(value), size_t>) {
    return ToJs(env, static_cast<uint32_t>(value));
  } else {
    return ToJs(env, value);
  }
}

// The setters of libbpf; `data` is the name of the function.
template <class T, int (*Write)(bpf_program*, T)>
napi_value Set(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  T value;
  if constexpr (std::is_same_v<T, bool>) {
    value = args.boolean(1);
  } else {
    value = static_cast<T>(args.u32(1));
  }
  if (!args.ok()) return nullptr;
  Call(env, static_cast<const char*>(args.data()), [&] { return Write(program->get(), value); });
  return Undefined(env);
}

napi_value Pointer(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  return args.ok() ? ToJs(env, uint64_t{reinterpret_cast<uintptr_t>(program->get())}) : nullptr;
}

// libbpf only fails here if the object is loaded, but its EINVAL could mean anything.
int SetAutoload(bpf_program* program, bool on) {
  return bpf_program__set_autoload(program, on) == -EINVAL ? -EBUSY : 0;
}

bool IsObjectLoaded(bpf_program* program) {
  return SetAutoload(program, bpf_program__autoload(program)) == -EBUSY;
}

int SetAutoattach(bpf_program* program, bool on) {
  bpf_program__set_autoattach(program, on);
  return 0;
}

int SetIfindex(bpf_program* program, uint32_t ifindex) {
  // libbpf would store it without any effect.
  if (bpf_program__fd(program) >= 0) return -EBUSY;
  bpf_program__set_ifindex(program, ifindex);
  return 0;
}

napi_value SetAttachTarget(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  int fd = args.i32(1);
  std::string name = args.string(2);
  if (!args.ok()) return nullptr;
  Call(env, "bpf_program__set_attach_target", [&] {
    if (IsObjectLoaded(program->get())) return -EBUSY;
    if (fd <= 0) return bpf_program__set_attach_target(program->get(), fd, name.c_str());
    // libbpf only stores the number, and uses it at load.
    UniqueFd copy = UniqueFd::Duplicate(fd);
    if (!copy.IsOpen()) return copy.get();
    int held = copy.get();
    program->object->held.push_back(std::move(copy));
    return bpf_program__set_attach_target(program->get(), held, name.c_str());
  });
  return Undefined(env);
}

napi_value Insns(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  if (!args.ok()) return nullptr;
  return CopyBytes(env, bpf_program__insns(program->get()),
                   bpf_program__insn_cnt(program->get()) * sizeof(bpf_insn));
}

// Moves the instruction offsets of func_info or line_info records along when instructions are inserted or
// removed.
template <class Record>
void MoveRecords(Record* records, uint32_t count, size_t from, ptrdiff_t by) {
  for (uint32_t i = 0; records != nullptr && i < count; i++) {
    if (records[i].insn_off >= from) records[i].insn_off += static_cast<uint32_t>(by);
  }
}

int WriteInsns(bpf_program* program, const bpf_insn* insns, size_t count) {
  const bpf_insn* old = bpf_program__insns(program);
  size_t old_count = bpf_program__insn_cnt(program);
  auto same = [](const bpf_insn& a, const bpf_insn& b) { return memcmp(&a, &b, sizeof a) == 0; };
  size_t shorter = std::min(count, old_count);
  size_t before = 0;
  while (before < shorter && same(old[before], insns[before])) before++;
  size_t after = 0;
  while (after < shorter - before && same(old[old_count - 1 - after], insns[count - 1 - after])) after++;
  int error = bpf_program__set_insns(program, const_cast<bpf_insn*>(insns), count);
  if (error != 0 || count == old_count) return error;
  // The record of a function's first instruction stays there.
  size_t from = std::max<size_t>(old_count - after, 1);
  auto by = static_cast<ptrdiff_t>(count) - static_cast<ptrdiff_t>(old_count);
  MoveRecords(bpf_program__func_info(program), bpf_program__func_info_cnt(program), from, by);
  MoveRecords(bpf_program__line_info(program), bpf_program__line_info_cnt(program), from, by);
  return 0;
}

napi_value SetInsns(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  Bytes bytes = args.bytes(1);
  if (bytes.size == 0 || bytes.size % sizeof(bpf_insn) != 0)
    args.Reject(1, "is not a number of instructions");
  if (!args.ok()) return nullptr;
  std::vector<bpf_insn> insns(bytes.size / sizeof(bpf_insn));
  memcpy(insns.data(), bytes.data, bytes.size);
  Call(env, "bpf_program__set_insns", [&] { return WriteInsns(program->get(), insns.data(), insns.size()); });
  return Undefined(env);
}

napi_value Unload(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  if (!args.ok()) return nullptr;
  // It is being attached on another thread, by its descriptor.
  if (program->object->users > 0) {
    napi_throw_error(env, "ERR_BPF_BUSY", "ERR_BPF_BUSY");
    return nullptr;
  }
  bpf_program__unload(program->get());
  return Undefined(env);
}

template <int (*Work)(bpf_program*, const char*)>
napi_value WithPath(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  std::string path = args.string(1);
  if (!args.ok()) return nullptr;
  Call(env, static_cast<const char*>(args.data()), [&] { return Work(program->get(), path.c_str()); });
  return Undefined(env);
}

napi_value Info(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  return args.ok() ? ProgramInfoOf(env, bpf_program__fd(program->get())) : nullptr;
}

napi_value Attach(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  if (!args.ok()) return nullptr;
  LinkState link;
  link.usdt = strncmp(bpf_program__section_name(program->get()), "usdt", 4) == 0;
  bool only_loads = false;
  bool attached = Call(env, "bpf_program__attach", [&](const LogCapture& capture) {
    std::lock_guard lock(program->object->attaching);
    link.link = bpf_program__attach(program->get());
    int error = ErrorOf(link.link);
    // libbpf returns this without any message if the section names no target. If the kernel refuses, there is
    // a message.
    only_loads = error == -EOPNOTSUPP && capture.Silent();
    return only_loads ? 0 : error;
  });
  if (!attached) return nullptr;
  if (only_loads) return Undefined(env);
  link.object = program->object;
  return WrapLink(env, std::move(link));
}

// A test run owns copies of everything that it needs: while it runs on the pool, the object may be closed.
struct TestRun {
  // More than any kernel accepts.
  static constexpr int64_t kMost = 16 << 20;

  UniqueFd fd;
  OwnedBytes data, data_out, context, context_out;
  bpf_test_run_opts options = {};

  int Run() {
    options.sz = sizeof(options);
    options.data_in = data.data();
    options.data_size_in = static_cast<uint32_t>(data.size());
    options.data_out = data_out.data();
    options.data_size_out = static_cast<uint32_t>(data_out.size());
    options.ctx_in = context.data();
    options.ctx_size_in = static_cast<uint32_t>(context.size());
    options.ctx_out = context_out.data();
    options.ctx_size_out = static_cast<uint32_t>(context_out.size());
    return bpf_prog_test_run_opts(fd.get(), &options);
  }

  // Null, with an exception, if there is no memory for it.
  napi_value Result(napi_env env) {
    // 'syscall' programs change their context in place; other programs without a second buffer leave it as it
    // was.
    bool in_place = context_out.size() == 0;
    napi_value left = in_place
                          ? CopyBytes(env, context.data(), context.size())
                          : CopyBytes(env, context_out.data(), Written(context_out, options.ctx_size_out));
    if (left == nullptr) return nullptr;
    napi_value packet = CopyBytes(env, data_out.data(), Written(data_out, options.data_size_out));
    if (packet == nullptr) return nullptr;
    auto result = Napi::Object::New(env);
    result["retval"] = options.retval;
    result["duration"] = options.duration;
    result["dataOut"] = Napi::Value(env, packet);
    result["contextOut"] = Napi::Value(env, left);
    return result;
  }

  static size_t Written(const OwnedBytes& room, uint32_t size) {
    return size < room.size() ? size : room.size();
  }
};

std::shared_ptr<TestRun> PrepareTestRun(napi_env env, napi_callback_info info) {
  Args args(env, info);
  auto* program = args.handle<Program>(0);
  auto run = std::make_shared<TestRun>();
  run->data = args.optionalCopy(1, TestRun::kMost);
  run->data_out = args.room(2, 0, TestRun::kMost);
  run->context = args.optionalCopy(3, TestRun::kMost);
  run->context_out = args.room(4, 0, TestRun::kMost);
  run->options.repeat = static_cast<int>(args.u32(5));
  run->options.flags = args.u32(6);
  run->options.cpu = args.u32(7);
  run->options.batch_size = args.u32(8);
  if (!args.ok()) return nullptr;
  bool copied = Call(env, "bpf_prog_test_run_opts", [&] {
    run->fd = UniqueFd::Duplicate(bpf_program__fd(program->get()));
    return run->fd.get();
  });
  return copied ? run : nullptr;
}

napi_value TestRunSync(napi_env env, napi_callback_info info) {
  auto run = PrepareTestRun(env, info);
  if (!run || !Call(env, "bpf_prog_test_run_opts", [&] { return run->Run(); })) return nullptr;
  return run->Result(env);
}

napi_value TestRunAsync(napi_env env, napi_callback_info info) {
  auto run = PrepareTestRun(env, info);
  if (!run) return nullptr;
  return CallAsync(
      env, "bpf_prog_test_run_opts", [run] { return run->Run(); }, [](int) {},
      [run](napi_env env) { return run->Result(env); });
}

}  // namespace

void DefineProgram(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"programName", Get<bpf_program__name>},
             {"programSectionName", Get<bpf_program__section_name>},
             {"programType", Get<bpf_program__type>},
             {"programSetType", Set<bpf_prog_type, bpf_program__set_type>, "bpf_program__set_type"},
             {"programExpectedAttachType", Get<bpf_program__expected_attach_type>},
             {"programSetExpectedAttachType", Set<bpf_attach_type, bpf_program__set_expected_attach_type>,
              "bpf_program__set_expected_attach_type"},
             {"programFlags", Get<bpf_program__flags>},
             {"programSetFlags", Set<uint32_t, bpf_program__set_flags>, "bpf_program__set_flags"},
             {"programAutoload", Get<bpf_program__autoload>},
             {"programSetAutoload", Set<bool, SetAutoload>, "bpf_program__set_autoload"},
             {"programAutoattach", Get<bpf_program__autoattach>},
             {"programSetAutoattach", Set<bool, SetAutoattach>, "bpf_program__set_autoattach"},
             {"programLogLevel", Get<bpf_program__log_level>},
             {"programSetLogLevel", Set<uint32_t, bpf_program__set_log_level>, "bpf_program__set_log_level"},
             {"programSetIfindex", Set<uint32_t, SetIfindex>, "bpf_program__set_ifindex"},
             {"programSetAttachTarget", SetAttachTarget},
             {"programPointer", Pointer},
             {"programInsnCount", Get<bpf_program__insn_cnt>},
             {"programInsns", Insns},
             {"programSetInsns", SetInsns},
             {"programFd", Get<bpf_program__fd>},
             {"programUnload", Unload},
             {"programPin", WithPath<bpf_program__pin>, "bpf_program__pin"},
             {"programUnpin", WithPath<bpf_program__unpin>, "bpf_program__unpin"},
             {"programInfo", Info},
             {"programAttach", Attach},
             {"programTestRun", TestRunAsync},
             {"programTestRunSync", TestRunSync},
         });
}
