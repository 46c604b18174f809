// Types written as C declarations.
#pragma once

#include <bpf/btf.h>

#include <cstdarg>
#include <cstdint>
#include <string>
#include <vector>

// Appends the declarations of these types and of all types that they need, and the prototypes of all kfuncs
// if they are wanted. Returns 0 or a negative errno.
int AppendDeclarations(const btf* types, const std::vector<uint32_t>& ids, bool kfuncs, std::string& text);

// What libbpf calls with each piece of its output: appends it to the std::string that `text` points to.
void AppendFormatted(void* text, const char* format, va_list arguments);
