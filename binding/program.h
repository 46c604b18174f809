#pragma once

#include <bpf/libbpf.h>

#include <memory>
#include <utility>

#include "object.h"

class Program : public Handle {
 public:
  static constexpr Kind kKind = Kind::kProgram;
  Program(std::shared_ptr<ObjectState> object, bpf_program* program)
      : Handle(kKind), object(std::move(object)), program_(program) {}
  const char* Refusal() const override { return object->Refusal(); }
  bpf_program* get() const { return program_; }

  const std::shared_ptr<ObjectState> object;

 private:
  bpf_program* program_;
};

// bpf_prog_get_info_by_fd
napi_value ProgramInfoOf(napi_env env, int fd);
