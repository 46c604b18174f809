// Runs programs without a hook, with data and a context that the caller gives.
#include <bpf/bpf.h>

#include "addon.h"
#include "program.h"
#include "util/call.h"

namespace {

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

void DefineTestRun(napi_env env, napi_value exports) {
  Define(env, exports,
         {
             {"programTestRun", TestRunAsync},
             {"programTestRunSync", TestRunSync},
         });
}
