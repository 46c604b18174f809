// Pins maps and programs of an object. When libbpf's own functions fail, they also remove pins of earlier
// calls, and a map keeps the path of the failed pin and refuses any other one. These leave everything as it
// was. All return 0 or a negative errno.
#pragma once

#include <bpf/libbpf.h>

int PinMap(bpf_map* map, const char* path);

// Without a path, pins the maps that have a pin path.
int PinMaps(bpf_object* object, const char* path);
int PinPrograms(bpf_object* object, const char* path);
int PinObject(bpf_object* object, const char* path);
