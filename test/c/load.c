// Opens and loads the object files of its arguments with libbpf alone. Prints for each where it ended, and
// libbpf's errno.
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>

static int silent(enum libbpf_print_level level, const char* format, va_list arguments) {
  (void)level, (void)format, (void)arguments;
  return 0;
}

int main(int count, char** paths) {
  libbpf_set_print(silent);
  for (int i = 1; i < count; i++) {
    struct bpf_object* object = bpf_object__open_file(paths[i], NULL);
    if (object == NULL) {
      printf("open %d\n", errno);
      continue;
    }
    int error = bpf_object__load(object);
    if (error == 0) {
      printf("loaded\n");
    } else {
      printf("load %d\n", -error);
    }
    bpf_object__close(object);
  }
  return 0;
}
