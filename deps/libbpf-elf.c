// Finds functions in programs and libraries, for uprobes. libbpf's own elf.c has mistakes that attach a probe
// to the wrong place without an error, so this file takes its place and defines the functions that
// libbpf_internal.h declares.
//
// What differs from libbpf 1.7:
// - The program headers turn an address into a file offset. libbpf uses the section that the symbol names,
//   whose index can be stale after tools have reordered the sections.
// - An import is no definition. libbpf attaches uprobe.multi to file offset 0 for one.
// - An indirect function (IFUNC) is an error that says so: its symbol is the address of the resolver.
// - Single probes, lists and patterns follow the same rules. Versions (name@VERSION) work in lists, a name
//   that stands for several functions is an error, and a pattern attaches a function once even if it has
//   several names. In a stripped file libbpf finds a single function, but no list: it fails because there is
//   no second table.
// - A damaged file cannot block or crash the process: a pipe, symbols of size 0, versions in a circle.
// - The warnings say why. They start with the path in quotes; lib/attach/uprobe.ts shows them to the user.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>

#include "libbpf_internal.h"

int elf_open(const char* path, struct elf_fd* elf_fd) {
  elf_fd->elf = NULL;
  elf_fd->fd = -1;
  if (elf_version(EV_CURRENT) == EV_NONE) {
    pr_warn("elf: failed to init libelf for %s\n", path);
    return -LIBBPF_ERRNO__LIBELF;
  }
  // O_NONBLOCK: opening a pipe waits for a writer otherwise.
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    int error = -errno;
    pr_warn("elf: failed to open %s: %s\n", path, errstr(error));
    return error;
  }
  Elf* elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
  if (elf == NULL) {
    pr_warn("elf: could not read elf from %s: %s\n", path, elf_errmsg(-1));
    close(fd);
    return -LIBBPF_ERRNO__FORMAT;
  }
  if (elf_kind(elf) != ELF_K_ELF) {
    pr_warn("elf: '%s' is not an ELF file\n", path);
    elf_end(elf);
    close(fd);
    return -LIBBPF_ERRNO__FORMAT;
  }
  elf_fd->fd = fd;
  elf_fd->elf = elf;
  return 0;
}

void elf_close(struct elf_fd* elf_fd) {
  if (elf_fd == NULL) return;
  elf_end(elf_fd->elf);
  close(elf_fd->fd);
}

// ---- Symbol tables

// Exported names first: a stripped file has no others, and they are what callers outside of the file use.
static const int table_types[] = {SHT_DYNSYM, SHT_SYMTAB};
#define TABLES (sizeof(table_types) / sizeof(table_types[0]))

struct table {
  Elf* elf;
  int type;
  Elf_Data* symbols;
  size_t count;
  size_t strings;
  Elf_Data* versions;     // one number per symbol, in .dynsym only
  Elf_Data* definitions;  // the names of those numbers
  size_t definition_strings;
};

struct symbol {
  const char* name;
  size_t length;        // without the version
  const char* version;  // NULL if it has none
  bool is_default;      // the version that a program is linked against today
  GElf_Sym sym;
};

static Elf_Data* section_of_type(Elf* elf, int type, GElf_Shdr* header) {
  for (Elf_Scn* section = elf_nextscn(elf, NULL); section != NULL; section = elf_nextscn(elf, section)) {
    if (gelf_getshdr(section, header) != NULL && header->sh_type == type) return elf_getdata(section, NULL);
  }
  return NULL;
}

// Returns whether the file has such a table.
static bool open_table(struct table* table, Elf* elf, int type) {
  GElf_Shdr header;
  memset(table, 0, sizeof(*table));
  table->elf = elf;
  table->type = type;
  table->symbols = section_of_type(elf, type, &header);
  if (table->symbols == NULL || header.sh_entsize == 0) return false;
  table->count = table->symbols->d_size / header.sh_entsize;
  table->strings = header.sh_link;
  if (type == SHT_DYNSYM) {
    table->versions = section_of_type(elf, SHT_GNU_versym, &header);
    table->definitions = section_of_type(elf, SHT_GNU_verdef, &header);
    table->definition_strings = header.sh_link;
  }
  return true;
}

static const char* version_name(const struct table* table, int number) {
  size_t size = table->definitions != NULL ? table->definitions->d_size : 0;
  GElf_Verdef definition;
  for (size_t at = 0; at < size; at += definition.vd_next) {
    if (gelf_getverdef(table->definitions, (int)at, &definition) == NULL) return NULL;
    if (definition.vd_ndx == number) {
      GElf_Verdaux name;
      if (gelf_getverdaux(table->definitions, (int)(at + definition.vd_aux), &name) == NULL) return NULL;
      return elf_strptr(table->elf, table->definition_strings, name.vda_name);
    }
    // The last one, or one that leads back: the chain only goes forward.
    if (definition.vd_next == 0 || definition.vd_next > size) return NULL;
  }
  return NULL;
}

// Reads the name of a symbol; false if it has none.
static bool read_name(const struct table* table, struct symbol* symbol) {
  symbol->name = elf_strptr(table->elf, table->strings, symbol->sym.st_name);
  return symbol->name != NULL && symbol->name[0] != '\0';
}

// Reads the version of a symbol with a name.
static void read_version(const struct table* table, size_t index, struct symbol* symbol) {
  // In .symtab the version is a part of the name: name@VERSION, or name@@VERSION for the default.
  symbol->length = strcspn(symbol->name, "@");
  const char* at = symbol->name + symbol->length;
  symbol->is_default = at[0] == '\0' || at[1] == '@';
  symbol->version = at[0] == '\0' ? NULL : at + (at[1] == '@' ? 2 : 1);
  GElf_Versym number;
  if (table->versions != NULL && gelf_getversym(table->versions, (int)index, &number) != NULL) {
    // The highest bit hides it from programs that do not ask for this version; 0 and 1 are no versions.
    symbol->is_default = (number & 0x8000) == 0;
    if ((number & 0x7fff) > 1) symbol->version = version_name(table, number & 0x7fff);
  }
}

// The file offset of code at an address; 0, where the ELF header is, if the file has no code there.
static unsigned long code_offset(Elf* elf, GElf_Addr address) {
  size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0) return 0;
  for (size_t i = 0; i < count; i++) {
    GElf_Phdr segment;
    if (gelf_getphdr(elf, (int)i, &segment) == NULL) return 0;
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    if (address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz)
      return address - segment.p_vaddr + segment.p_offset;
  }
  return 0;
}

// ---- Functions by name

struct wanted {
  const char* name;     // as the caller gave it
  size_t length;        // without the version
  const char* version;  // NULL if any will do
  int index;            // in the caller's list
  unsigned long offset;
  int table;       // where it was found; 0 as long as it was not
  bool ambiguous;  // several functions have that name
  bool indirect;
};

static int compare_names(const char* a, size_t a_length, const char* b, size_t b_length) {
  int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
  return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

static int compare_wanted(const void* a, const void* b) {
  const struct wanted *x = a, *y = b;
  return compare_names(x->name, x->length, y->name, y->length);
}

static int compare_indexes(const void* a, const void* b) {
  return ((const struct wanted*)a)->index - ((const struct wanted*)b)->index;
}

static bool has_version(const struct symbol* symbol, const struct wanted* wanted) {
  return wanted->version == NULL ||
         (symbol->version != NULL && strcmp(symbol->version, wanted->version) == 0);
}

// A function that this file defines, indirect ones included.
static bool is_function(const struct symbol* symbol) {
  int type = GELF_ST_TYPE(symbol->sym.st_info);
  return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->sym.st_shndx != SHN_UNDEF;
}

static void match(const struct table* table, const struct symbol* symbol, struct wanted* wanted) {
  // What one table has is not looked up in the next.
  if ((wanted->table != 0 && wanted->table != table->type) || !has_version(symbol, wanted)) return;
  unsigned long offset = code_offset(table->elf, symbol->sym.st_value);
  if (GELF_ST_TYPE(symbol->sym.st_info) == STT_GNU_IFUNC) {
    wanted->indirect = true;
  } else if (offset == 0) {
    return;
  } else if (wanted->offset != 0 && wanted->offset != offset) {
    wanted->ambiguous = true;
  }
  wanted->table = table->type;
  wanted->offset = offset;
}

// The length of a name without its version, if that is not longer than `most`.
static size_t short_length(const char* name, size_t most) {
  size_t length = 0;
  while (length <= most && name[length] != '\0' && name[length] != '@') length++;
  return length;
}

static bool all_found(const struct wanted* wanted, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (wanted[i].table == 0) return false;
  }
  return true;
}

// Looks for all names in one pass over each table. `wanted` is sorted by name.
static void find_all(Elf* elf, struct wanted* wanted, size_t count) {
  size_t longest = 0;
  for (size_t i = 0; i < count; i++) {
    if (wanted[i].length > longest) longest = wanted[i].length;
  }
  for (size_t t = 0; t < TABLES && !all_found(wanted, count); t++) {
    struct table table;
    if (!open_table(&table, elf, table_types[t])) continue;
    for (size_t i = 0; i < table.count; i++) {
      struct symbol symbol;
      if (gelf_getsym(table.symbols, (int)i, &symbol.sym) == NULL || !is_function(&symbol)) continue;
      if (!read_name(&table, &symbol)) continue;
      struct wanted key = {.name = symbol.name, .length = short_length(symbol.name, longest)};
      if (key.length > longest) continue;
      struct wanted* found = bsearch(&key, wanted, count, sizeof(*wanted), compare_wanted);
      if (found == NULL) continue;
      read_version(&table, i, &symbol);
      // The same name can be wanted with several versions.
      while (found > wanted && compare_wanted(found - 1, &key) == 0) found--;
      for (; found < wanted + count && compare_wanted(found, &key) == 0; found++)
        match(&table, &symbol, found);
    }
  }
}

static void append(char* text, size_t size, const char* format, ...) {
  size_t used = strlen(text);
  va_list args;
  va_start(args, format);
  vsnprintf(text + used, size - used, format, args);
  va_end(args);
}

// Lists the functions that an ambiguous name stands for: by version if each has one, by offset otherwise.
static void explain_ambiguous(Elf* elf, const char* path, const struct wanted* wanted) {
  char versions[400] = "", offsets[400] = "";
  bool versioned = true;
  struct table table;
  open_table(&table, elf, wanted->table);
  for (size_t i = 0; i < table.count; i++) {
    struct symbol symbol;
    if (gelf_getsym(table.symbols, (int)i, &symbol.sym) == NULL || !is_function(&symbol)) continue;
    if (!read_name(&table, &symbol) || strncmp(symbol.name, wanted->name, wanted->length) != 0) continue;
    read_version(&table, i, &symbol);
    if (symbol.length != wanted->length || !has_version(&symbol, wanted)) continue;
    const char* comma = offsets[0] == '\0' ? "" : ", ";
    versioned = versioned && symbol.version != NULL;
    append(offsets, sizeof(offsets), "%s0x%lx", comma, code_offset(elf, symbol.sym.st_value));
    append(versions, sizeof(versions), "%s%.*s%s%s", comma, (int)symbol.length, symbol.name,
           symbol.is_default ? "@@" : "@", versioned ? symbol.version : "");
  }
  if (versioned && wanted->version == NULL) {
    pr_warn("elf: '%s' has several versions of '%s': %s; choose one of them\n", path, wanted->name, versions);
  } else {
    pr_warn("elf: '%s' has several functions called '%s', at the offsets %s; choose one by its offset\n",
            path, wanted->name, offsets);
  }
}

// Says why a name is not found: it is imported, is no function, the compiler made other functions from it,
// such as name.isra.0, or the file is stripped.
static void explain_absent(Elf* elf, const char* path, const struct wanted* wanted) {
  char variants[400] = "";
  bool has_symtab = false, imported = false, elsewhere = false;
  for (size_t t = 0; t < TABLES; t++) {
    struct table table;
    if (!open_table(&table, elf, table_types[t])) continue;
    has_symtab = has_symtab || table.type == SHT_SYMTAB;
    for (size_t i = 0; i < table.count; i++) {
      struct symbol symbol;
      if (gelf_getsym(table.symbols, (int)i, &symbol.sym) == NULL || !read_name(&table, &symbol)) continue;
      if (strncmp(symbol.name, wanted->name, wanted->length) != 0) continue;
      const char* rest = symbol.name + wanted->length;
      if (*rest == '.' && is_function(&symbol)) {
        append(variants, sizeof(variants), "%s'%s'", variants[0] == '\0' ? "" : ", ", symbol.name);
      }
      if (*rest != '\0' && *rest != '@') continue;
      if (symbol.sym.st_shndx == SHN_UNDEF) {
        imported = true;
        continue;
      }
      read_version(&table, i, &symbol);
      elsewhere = elsewhere || has_version(&symbol, wanted);
    }
  }
  if (imported) {
    pr_warn("elf: '%s' only imports '%s'; attach to the library that defines it\n", path, wanted->name);
  } else if (elsewhere) {
    pr_warn("elf: '%s' has '%s', but not as a function in its code\n", path, wanted->name);
  } else if (variants[0] != '\0') {
    pr_warn("elf: '%s' has no function '%s', only %s, which the compiler made from it\n", path, wanted->name,
            variants);
  } else if (!has_symtab) {
    pr_warn(
        "elf: '%s' has no function '%s' among those that it exports, and the names of others were stripped\n",
        path, wanted->name);
  } else {
    pr_warn("elf: '%s' has no function '%s'\n", path, wanted->name);
  }
}

// Explaining takes a pass over the tables, so it is only done for the first few names of a list.
enum { MOST_EXPLAINED = 4 };

// Returns 0 if the name stands for one function; prints why not otherwise.
static int check(Elf* elf, const char* path, const struct wanted* wanted, bool explain) {
  if (wanted->indirect) {
    pr_warn(
        "elf: '%s' has '%s' as an indirect function (IFUNC): when a program starts, the loader chooses one "
        "of "
        "several implementations; attach to the one that it chooses\n",
        path, wanted->name);
    return -EOPNOTSUPP;
  }
  if (wanted->ambiguous) {
    if (explain) explain_ambiguous(elf, path, wanted);
    return -EADDRNOTAVAIL;
  }
  if (wanted->offset != 0) return 0;
  if (explain) {
    explain_absent(elf, path, wanted);
  } else {
    pr_warn("elf: '%s' has no function '%s'\n", path, wanted->name);
  }
  return -ENOENT;
}

static int resolve(Elf* elf, const char* path, const char** names, size_t count, unsigned long* offsets) {
  struct wanted* wanted = calloc(count, sizeof(*wanted));
  if (wanted == NULL) return -ENOMEM;
  for (size_t i = 0; i < count; i++) {
    const char* name = names[i];
    size_t length = strcspn(name, "@");
    // A version can be given as name@VERSION and name@@VERSION.
    const char* version = name[length] == '\0' ? NULL : name + length + (name[length + 1] == '@' ? 2 : 1);
    wanted[i] = (struct wanted){.name = name, .length = length, .version = version, .index = (int)i};
  }
  qsort(wanted, count, sizeof(*wanted), compare_wanted);
  find_all(elf, wanted, count);
  qsort(wanted, count, sizeof(*wanted), compare_indexes);
  int error = 0, failed = 0;
  for (size_t i = 0; i < count; i++) {
    int result = check(elf, path, &wanted[i], failed < MOST_EXPLAINED);
    if (result != 0) failed++;
    if (error == 0) error = result;
    offsets[i] = wanted[i].offset;
  }
  free(wanted);
  return error;
}

long elf_find_func_offset(Elf* elf, const char* path, const char* name) {
  unsigned long offset = 0;
  int error = resolve(elf, path, &name, 1, &offset);
  return error != 0 ? error : (long)offset;
}

long elf_find_func_offset_from_file(const char* path, const char* name) {
  struct elf_fd file;
  int error = elf_open(path, &file);
  if (error != 0) return error;
  long offset = elf_find_func_offset(file.elf, path, name);
  elf_close(&file);
  return offset;
}

// libbpf asks for functions only. The caller frees the offsets.
int elf_resolve_syms_offsets(const char* path, int count, const char** names, unsigned long** offsets,
                             int type) {
  struct elf_fd file;
  if (type != STT_FUNC) return -EINVAL;
  int error = elf_open(path, &file);
  if (error != 0) return error;
  unsigned long* found = calloc(count, sizeof(*found));
  error = found == NULL ? -ENOMEM : resolve(file.elf, path, names, count, found);
  if (error == 0) {
    *offsets = found;
  } else {
    free(found);
  }
  elf_close(&file);
  return error;
}

// ---- Functions by pattern

// The pattern can be for the name alone, or for name@VERSION.
static bool matches(const struct table* table, size_t index, struct symbol* symbol, const char* pattern) {
  // The compiler has moved name.cold out of a function that jumps there. A call would be counted twice, and a
  // return probe would overwrite the function's stack.
  if (strstr(symbol->name, ".cold") != NULL && strstr(pattern, ".cold") == NULL) return false;
  if (strchr(symbol->name, '@') == NULL) {
    if (glob_match(symbol->name, pattern)) return true;
    if (strchr(pattern, '@') == NULL) return false;
  }
  read_version(table, index, symbol);
  char text[1024];
  snprintf(text, sizeof(text), "%.*s", (int)symbol->length, symbol->name);
  if (glob_match(text, pattern)) return true;
  if (symbol->version == NULL) return false;
  append(text, sizeof(text), "@%s", symbol->version);
  return glob_match(text, pattern);
}

static int compare_offsets(const void* a, const void* b) {
  unsigned long x = *(const unsigned long*)a, y = *(const unsigned long*)b;
  return (x > y) - (x < y);
}

// The caller frees the offsets.
int elf_resolve_pattern_offsets(const char* path, const char* pattern, unsigned long** offsets,
                                size_t* count) {
  unsigned long* found = NULL;
  size_t capacity = 0, used = 0, indirect = 0;
  struct elf_fd file;
  int error = elf_open(path, &file);
  if (error != 0) return error;
  for (size_t t = 0; t < TABLES && error == 0; t++) {
    struct table table;
    if (!open_table(&table, file.elf, table_types[t])) continue;
    for (size_t i = 0; i < table.count && error == 0; i++) {
      struct symbol symbol;
      if (gelf_getsym(table.symbols, (int)i, &symbol.sym) == NULL || !is_function(&symbol)) continue;
      if (!read_name(&table, &symbol) || !matches(&table, i, &symbol, pattern)) continue;
      bool is_indirect = GELF_ST_TYPE(symbol.sym.st_info) == STT_GNU_IFUNC;
      unsigned long offset = code_offset(file.elf, symbol.sym.st_value);
      if (is_indirect) indirect++;
      if (is_indirect || offset == 0) continue;
      error = libbpf_ensure_mem((void**)&found, &capacity, sizeof(*found), used + 1);
      if (error == 0) found[used++] = offset;
    }
  }
  if (error == 0 && used == 0) {
    pr_warn("elf: '%s' has no function that matches '%s'%s\n", path, pattern,
            indirect > 0 ? ", only indirect ones (IFUNC)" : "");
    error = -ENOENT;
  }
  elf_close(&file);
  if (error != 0) {
    free(found);
    return error;
  }
  // Aliases, and names that are in both tables.
  qsort(found, used, sizeof(*found), compare_offsets);
  size_t kept = 1;
  for (size_t i = 1; i < used; i++) {
    if (found[i] != found[kept - 1]) found[kept++] = found[i];
  }
  *offsets = found;
  *count = kept;
  return 0;
}
