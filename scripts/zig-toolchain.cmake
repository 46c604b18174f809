# Zig's clang, libc headers and libc++ for the machine that TARGET_TRIPLE names; see scripts/prebuild.mjs. Zig links its
# C++ runtime statically, and uses the symbols of exactly the glibc version in the triple.
set(CMAKE_SYSTEM_NAME Linux)
string(REGEX REPLACE "-.*" "" CMAKE_SYSTEM_PROCESSOR "$ENV{TARGET_TRIPLE}")

set(CMAKE_C_COMPILER $ENV{ZIG} cc)
set(CMAKE_CXX_COMPILER $ENV{ZIG} c++)
set(CMAKE_C_COMPILER_TARGET $ENV{TARGET_TRIPLE})
set(CMAKE_CXX_COMPILER_TARGET $ENV{TARGET_TRIPLE})

# D makes archives deterministic.
set(CMAKE_AR $ENV{ZIG})
foreach(language C CXX)
  set(CMAKE_${language}_ARCHIVE_CREATE "<CMAKE_AR> ar qcsD <TARGET> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_APPEND "<CMAKE_AR> ar qsD <TARGET> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_FINISH "")
endforeach()

# No paths, build id or debug information, so that the same sources result in the same bytes.
get_filename_component(root ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)
set(flags "-g0 -fno-sanitize=all -ffile-prefix-map=${root}=.")
# No exceptions pass through our code; without unwind tables, the addon is a tenth smaller.
set(flags "${flags} -fno-unwind-tables -fno-asynchronous-unwind-tables")
set(CMAKE_C_FLAGS_INIT "${flags}")
set(CMAKE_CXX_FLAGS_INIT "${flags}")
set(CMAKE_MODULE_LINKER_FLAGS_INIT "-Wl,--build-id=none -Wl,-s")
