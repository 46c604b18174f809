#pragma once

#include <cstring>

// Zeroes a struct of the kernel, including its padding and all members of unions, which `= {}` does not
// guarantee. Newer kernels check the padding of bpf_prog_info and return E2BIG.
template <class Struct>
void Zero(Struct& all) {
  memset(&all, 0, sizeof(all));
}

// Zeroes an options struct of libbpf and sets its size. It works in place, because libbpf checks the padding,
// too, and returning a struct does not necessarily preserve it.
template <class Options>
void InitOptions(Options& options) {
  Zero(options);
  options.sz = sizeof(options);
}
