// Electron's memory cage refuses buffers whose memory isn't its own. So does this, put before Node.js by
// LD_PRELOAD.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <node_api.h>
#include <stdio.h>
#include <string.h>

static const napi_status refused = 22;  // napi_no_external_buffers_allowed

// Other addons (of vitest) may do as they like.
static int is_ours(void* caller) {
  Dl_info info;
  const char* name = dladdr(caller, &info) && info.dli_fname ? strrchr(info.dli_fname, '/') : NULL;
  return name && strncmp(name, "/libbpf", 7) == 0;
}

#define REFUSE(name, parameters, arguments)                  \
  napi_status name parameters {                              \
    if (is_ours(__builtin_return_address(0))) {              \
      fprintf(stderr, #name " refused\n");                   \
      return refused;                                        \
    }                                                        \
    napi_status(*next) parameters = dlsym(RTLD_NEXT, #name); \
    return next arguments;                                   \
  }

REFUSE(napi_create_external_arraybuffer,
       (napi_env env, void* data, size_t length, napi_finalize finalize, void* hint, napi_value* result),
       (env, data, length, finalize, hint, result))
REFUSE(napi_create_external_buffer,
       (napi_env env, size_t length, void* data, napi_finalize finalize, void* hint, napi_value* result),
       (env, length, data, finalize, hint, result))
