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
