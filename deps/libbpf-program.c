// libbpf.c with two more functions. libbpf attaches only programs that it has loaded itself, because a
// bpf_program belongs to an object file. This file compiles libbpf.c as it is, and adds an object without a file
// around a program that is in the kernel already: pinned, or loaded by another process.
#include "libbpf.c"

// Takes over the descriptor, unless it fails. The section is what SEC() would say, or "" if nobody knows; a section
// that libbpf knows has to be one for programs of this type. Returns NULL and sets errno on failure.
struct bpf_object* libbpf_node_adopt_program(int fd, const char* name, const char* section,
                                             enum bpf_prog_type type) {
  struct bpf_insn none = {};  // libbpf knows no programs without instructions
  struct bpf_object* object = bpf_object__new("", NULL, 0, name);
  if (IS_ERR(object)) return libbpf_err_ptr(PTR_ERR(object));
  struct bpf_program* program = calloc(1, sizeof(*program));
  // libbpf takes what is in section 0 for a subprogram.
  int error = program == NULL ? -ENOMEM
                              : bpf_object__init_prog(object, program, name, 1, section, 0, &none, sizeof(none));
  if (error != 0) {
    free(program);
    bpf_object__close(object);
    return libbpf_err_ptr(error);
  }
  object->programs = program;
  object->nr_programs = 1;
  program->type = type;
  program->sec_def = section[0] == '\0' ? NULL : find_sec_def(program->sec_name);
  if (program->sec_def != NULL) {
    program->expected_attach_type = program->sec_def->expected_attach_type;
    if (program->sec_def->prog_type != type) {
      pr_warn("SEC(\"%s\") is for programs of type %s, and this one has type %s\n", program->sec_name,
              libbpf_bpf_prog_type_str(program->sec_def->prog_type), libbpf_bpf_prog_type_str(type));
      bpf_object__close(object);
      return libbpf_err_ptr(-EINVAL);
    }
  }
  program->fd = fd;
#if LIBBPF_MAJOR_VERSION == 1 && LIBBPF_MINOR_VERSION < 6
  object->loaded = true;
#else
  object->state = OBJ_LOADED;
#endif
  return object;
}

// Where the global variables of an arena begin in it. libbpf 1.7 puts them at its end, where the kernel knows how, and
// tells only skeletons in C.
size_t libbpf_node_arena_data_offset(const struct bpf_map* map) {
#if LIBBPF_MAJOR_VERSION == 1 && LIBBPF_MINOR_VERSION < 7
  return 0;
#else
  return map->obj->arena_data_off;
#endif
}
