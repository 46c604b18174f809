// The names of C++ functions, as people write them.
#include <cxxabi.h>

#include <cstdlib>
#include <memory>

#include "addon.h"
#include "util/args.h"

namespace {

napi_value Demangle(napi_env env, napi_callback_info info) {
  Args args(env, info);
  std::string name = args.string(0);
  if (!args.ok()) return nullptr;
  int status = 0;
  std::unique_ptr<char, decltype(&free)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status),
                                              free);
  return status == 0 && text != nullptr ? ToJs(env, text.get()) : Undefined(env);
}

}  // namespace

void DefineDemangle(napi_env env, napi_value exports) { Define(env, exports, {{"demangle", Demangle}}); }
