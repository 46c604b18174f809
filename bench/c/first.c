// first OBJECT: loads an object, and ends with its first event.
#include "bench.h"

static int on_event(void* context, void* data, size_t size) { exit(0); }

int main(int argc, char** argv) {
  struct bpf_object* object = load(argv[1]);
  struct ring_buffer* ring = ring_buffer__new(map_fd(object, "events"), on_event, NULL, NULL);
  if (ring == NULL) CHECK(-1);
  emit(program_fd(object, "emit_many"), 1);
  ring_buffer__poll(ring, -1);
  return 1;
}
