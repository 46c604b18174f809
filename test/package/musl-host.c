// Loads an addon as Node.js does, and begins to initialize it: run by musl's loader, which has to find
// everything that the addon takes from outside. What is Node.js's is in stubs.c, which scripts/test-musl.mjs
// writes: it fails, and the addon has to give up.
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char** arguments) {
  void* addon = count == 2 ? dlopen(arguments[1], RTLD_NOW) : NULL;
  if (addon == NULL) {
    fprintf(stderr, "%s\n", count == 2 ? dlerror() : "musl-host ADDON");
    return 1;
  }
  int (*version)(void) = (int (*)(void))dlsym(addon, "node_api_module_get_api_version_v1");
  void* (*initialize)(void*, void*) = (void* (*)(void*, void*))dlsym(addon, "napi_register_module_v1");
  if (version == NULL || initialize == NULL) return 2;
  initialize(NULL, NULL);
  printf("%d\n", version());
  return 0;
}
