/*
 * What elfutils' configure would find out, for the parts of libelf that we build: Linux, GCC or Clang,
 * glibc or musl. Written by hand so that the same file serves every target that we cross-compile for.
 */
#ifndef LIBBPF_NODE_ELFUTILS_CONFIG_H
#define LIBBPF_NODE_ELFUTILS_CONFIG_H

#include <assert.h>
#include <features.h> /* defines __GLIBC__, or nothing on musl */

/*
 * No USE_LOCKS: an Elf is used by the thread that opened it only. elfutils calls its locks experimental, and they deadlock: elf_strptr of a
 * string table that is marked as compressed waits for itself (test/bad-input.test.ts).
 */

#define HAVE_VISIBILITY 1
#define HAVE_STDATOMIC_H 1
#define HAVE_FALLTHROUGH 1
#define HAVE_MREMAP 1
#define HAVE_ERR_H 1 /* error() is declared, never called: glibc's <error.h> isn't needed */

#define HAVE_DECL_POWEROF2 1
#define HAVE_DECL_MEMPCPY 1
#define HAVE_DECL_MEMRCHR 1
#define HAVE_DECL_REALLOCARRAY 1

#ifdef __GLIBC__
#define HAVE_DECL_RAWMEMCHR 1
#else
#define HAVE_DECL_RAWMEMCHR 0
#define assert_perror(errnum) assert((errnum) == 0)
#endif

/* With the undefined behaviour sanitizer libelf must not read unaligned words. */
#if defined(__SANITIZE_UNDEFINED__) || defined(LIBBPF_NODE_SANITIZE)
#define CHECK_UNDEFINED 1
#endif

/* elfutils' own configuration ends with this line, and every file counts on it. */
#include <eu-config.h>

#endif
