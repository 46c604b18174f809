#pragma once

#include <cstring>

// Makes one of the kernel's structures: all of it is 0. `= {}` leaves the padding, and all but the first
// member of a union, to the compiler; newer kernels look at the padding of bpf_prog_info, and say E2BIG.
template <class Struct>
void Zero(Struct& all) {
  memset(&all, 0, sizeof(all));
}

// Makes one of libbpf's structures of options: it says how long it is, and what is not set is 0. In place:
// libbpf looks at the padding, too, and what is returned by value need not keep that.
template <class Options>
void InitOptions(Options& options) {
  Zero(options);
  options.sz = sizeof(options);
}
