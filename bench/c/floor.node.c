// The least that wake-ups can cost in Node.js: libuv polls the descriptor of a ring buffer, and a callback in
// JavaScript that does nothing is called; or a timer calls native code that does nothing. A little addon,
// which uses nothing of ours.
#include <node_api.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct uv_loop_s;
typedef struct uv_handle_s uv_handle_t;
size_t uv_handle_size(int type);
void* uv_handle_get_data(const uv_handle_t* handle);
void uv_handle_set_data(uv_handle_t* handle, void* data);
int uv_poll_init(struct uv_loop_s* loop, uv_handle_t* handle, int fd);
int uv_poll_start(uv_handle_t* handle, int events, void (*ready)(uv_handle_t*, int, int));
int uv_poll_stop(uv_handle_t* handle);
int uv_timer_init(struct uv_loop_s* loop, uv_handle_t* handle);
int uv_timer_start(uv_handle_t* handle, void (*due)(uv_handle_t*), uint64_t timeout, uint64_t repeat);
int uv_timer_stop(uv_handle_t* handle);

enum { kPoll = 8, kTimer = 13, kReadable = 1 };

struct watch {
  napi_env env;
  napi_ref callback;
  napi_async_context context;
  volatile uint64_t *consumer, *producer;
  uint64_t end;
};

static void on_ready(uv_handle_t* handle, int status, int events) {
  struct watch* watch = uv_handle_get_data(handle);
  napi_handle_scope scope;
  napi_open_handle_scope(watch->env, &scope);
  // The kernel only wakes a reader that has read everything.
  uint64_t position = __atomic_load_n(watch->producer, __ATOMIC_ACQUIRE);
  __atomic_store_n(watch->consumer, position, __ATOMIC_RELEASE);
  if (position >= watch->end) uv_poll_stop(handle);
  napi_value callback, self, done;
  napi_get_reference_value(watch->env, watch->callback, &callback);
  napi_get_global(watch->env, &self);
  napi_get_boolean(watch->env, position >= watch->end, &done);
  napi_make_callback(watch->env, watch->context, self, callback, 1, &done, NULL);
  napi_close_handle_scope(watch->env, scope);
}

// (fd, bytes, (done) => void): watches a ring until it has had so many bytes.
static napi_value start(napi_env env, napi_callback_info info) {
  napi_value args[3], name;
  size_t count = 3;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  int32_t fd;
  int64_t bytes;
  napi_get_value_int32(env, args[0], &fd);
  napi_get_value_int64(env, args[1], &bytes);
  struct watch* watch = calloc(1, sizeof(*watch));
  long page = sysconf(_SC_PAGESIZE);
  watch->env = env;
  watch->end = bytes;
  watch->consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  watch->producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, page);
  napi_create_reference(env, args[2], 1, &watch->callback);
  napi_create_string_utf8(env, "floor", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, NULL, name, &watch->context);
  struct uv_loop_s* loop;
  napi_get_uv_event_loop(env, &loop);
  uv_handle_t* handle = calloc(1, uv_handle_size(kPoll));
  uv_poll_init(loop, handle, fd);
  uv_handle_set_data(handle, watch);
  uv_poll_start(handle, kReadable, on_ready);
  return NULL;
}

static void on_due(uv_handle_t* handle) { uv_timer_start(handle, on_due, 1, 0); }

// (): starts a timer of 1 ms, and stops it the next time.
static napi_value tick(napi_env env, napi_callback_info info) {
  static uv_handle_t* handle;
  if (handle != NULL) {
    uv_timer_stop(handle);
    handle = NULL;
    return NULL;
  }
  struct uv_loop_s* loop;
  napi_get_uv_event_loop(env, &loop);
  handle = calloc(1, uv_handle_size(kTimer));
  uv_timer_init(loop, handle);
  uv_timer_start(handle, on_due, 1, 0);
  return NULL;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "watch", NAPI_AUTO_LENGTH, start, NULL, &function);
  napi_set_named_property(env, exports, "watch", function);
  napi_create_function(env, "tick", NAPI_AUTO_LENGTH, tick, NULL, &function);
  napi_set_named_property(env, exports, "tick", function);
  return exports;
}
