# Zig's clang, libc headers and libc++ for the machine that TARGET_TRIPLE names; see scripts/prebuild.mjs. Zig links its C++
# runtime statically, and against the symbols of exactly the glibc that the triple names.
set(CMAKE_SYSTEM_NAME Linux)
string(REGEX REPLACE "-.*" "" CMAKE_SYSTEM_PROCESSOR "$ENV{TARGET_TRIPLE}")

set(CMAKE_C_COMPILER $ENV{ZIG} cc)
set(CMAKE_CXX_COMPILER $ENV{ZIG} c++)
set(CMAKE_C_COMPILER_TARGET $ENV{TARGET_TRIPLE})
set(CMAKE_CXX_COMPILER_TARGET $ENV{TARGET_TRIPLE})

# D: the same bytes each time.
set(CMAKE_AR $ENV{ZIG})
foreach(language C CXX)
  set(CMAKE_${language}_ARCHIVE_CREATE "<CMAKE_AR> ar qcsD <TARGET> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_APPEND "<CMAKE_AR> ar qsD <TARGET> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_FINISH "")
endforeach()

# No path of the machine that builds, no identity of the build, nothing for a debugger: the same sources give the same bytes.
get_filename_component(root ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)
set(flags "-g0 -fno-sanitize=all -ffile-prefix-map=${root}=.")
# Nobody throws through our code: without tables for that a tenth less to ship.
set(flags "${flags} -fno-unwind-tables -fno-asynchronous-unwind-tables")
set(CMAKE_C_FLAGS_INIT "${flags}")
set(CMAKE_CXX_FLAGS_INIT "${flags}")
set(CMAKE_MODULE_LINKER_FLAGS_INIT "-Wl,--build-id=none -Wl,-s")
