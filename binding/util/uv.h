// The few functions of libuv that we need, declared here because Node-API does not provide its header.
// Handles are opaque and have the size that uv_handle_size returns, so one binary works with every libuv 1.x.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>

extern "C" {
struct uv_handle_s;
typedef struct uv_handle_s uv_handle_t;

constexpr int UV_IDLE = 6;
constexpr int UV_POLL = 8;
constexpr int UV_TIMER = 13;
constexpr int UV_READABLE = 1;
constexpr int UV_DISCONNECT = 4;

size_t uv_handle_size(int type);
void* uv_handle_get_data(const uv_handle_t* handle);
void uv_handle_set_data(uv_handle_t* handle, void* data);
int uv_is_active(const uv_handle_t* handle);
void uv_close(uv_handle_t* handle, void (*done)(uv_handle_t* handle));
void uv_ref(uv_handle_t* handle);
void uv_unref(uv_handle_t* handle);

int uv_poll_init(struct uv_loop_s* loop, uv_handle_t* handle, int fd);
int uv_poll_start(uv_handle_t* handle, int events,
                  void (*ready)(uv_handle_t* handle, int status, int events));
int uv_poll_stop(uv_handle_t* handle);

int uv_timer_init(struct uv_loop_s* loop, uv_handle_t* handle);
int uv_timer_start(uv_handle_t* handle, void (*due)(uv_handle_t* handle), uint64_t timeout_ms,
                   uint64_t repeat_ms);
int uv_timer_stop(uv_handle_t* handle);

int uv_idle_init(struct uv_loop_s* loop, uv_handle_t* handle);
int uv_idle_start(uv_handle_t* handle, void (*turn)(uv_handle_t* handle));
int uv_idle_stop(uv_handle_t* handle);
}
