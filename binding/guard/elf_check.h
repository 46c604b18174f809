// libbpf's linker relies on some properties of object files that it does not check: it writes to the
// instruction that a relocation refers to, even if that is outside of the section.
#pragma once

#include <bpf/libbpf.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include "../util/unique_fd.h"

class ElfCheck {
 public:
  // Returns a negative error if libbpf must not use the file. Files that are not ELF are left to libbpf's own
  // checks.
  static int Run(const uint8_t* data, size_t size) {
    ElfCheck check(data, size);
    return check.IsElf() && !check.All() ? -LIBBPF_ERRNO__FORMAT : 0;
  }

  static int Run(const char* path) {
    UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd.IsOpen()) return 0;
    struct stat status;
    bool is_file = fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
    // The file is not mapped, because another process could truncate it meanwhile.
    size_t expected = is_file ? static_cast<size_t>(status.st_size) : 0;
    std::unique_ptr<uint8_t[]> data(new (std::nothrow) uint8_t[expected]);
    size_t size = 0;
    for (ssize_t length = 1; data && length > 0 && size < expected; size += static_cast<size_t>(length)) {
      length = std::max<ssize_t>(0, read(fd.get(), data.get() + size, expected - size));
    }
    return data ? Run(data.get(), size) : -ENOMEM;
  }

 private:
  ElfCheck(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  bool IsElf() {
    if (size_ < sizeof(Elf64_Ehdr) || memcmp(data_, ELFMAG, SELFMAG) != 0) return false;
    if (data_[EI_CLASS] != ELFCLASS64) return false;
    swapped_ = data_[EI_DATA] != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB);
    return true;
  }

  bool All() {
    auto* header = reinterpret_cast<const Elf64_Ehdr*>(data_);
    sections_ = Read(&header->e_shoff);
    count_ = Read(&header->e_shnum);
    if (!Fits(sections_, sizeof(Elf64_Shdr))) return false;
    // If there are too many sections for e_shnum, their number is stored here.
    if (count_ == 0) count_ = Read(&Section(0)->sh_size);
    if (count_ > size_ / sizeof(Elf64_Shdr) || !Fits(sections_, count_ * sizeof(Elf64_Shdr))) return false;
    for (uint64_t i = 1; i < count_; i++) {
      if (Read(&Section(i)->sh_type) == SHT_REL && !HasSoundRelocations(Section(i))) return false;
    }
    return true;
  }

  bool HasSoundRelocations(const Elf64_Shdr* section) {
    uint64_t target_index = Read(&section->sh_info);
    uint64_t symbols_index = Read(&section->sh_link);
    if (target_index >= count_ || symbols_index >= count_) return false;
    const Elf64_Shdr* target = Section(target_index);
    if ((Read(&target->sh_flags) & SHF_EXECINSTR) == 0) return true;
    if (Read(&target->sh_type) != SHT_PROGBITS) return false;
    const Elf64_Shdr* symbols = Section(symbols_index);
    if (!HasData(section) || !HasData(symbols)) return false;

    constexpr uint64_t kInstruction = 8;
    uint64_t target_size = Read(&target->sh_size);
    for (uint64_t at = 0; at + sizeof(Elf64_Rel) <= Read(&section->sh_size); at += sizeof(Elf64_Rel)) {
      auto* relocation = reinterpret_cast<const Elf64_Rel*>(data_ + Read(&section->sh_offset) + at);
      if (target_size < kInstruction || Read(&relocation->r_offset) > target_size - kInstruction)
        return false;
      uint64_t symbol_at = ELF64_R_SYM(Read(&relocation->r_info)) * sizeof(Elf64_Sym);
      if (symbol_at + sizeof(Elf64_Sym) > Read(&symbols->sh_size)) return false;
      auto* symbol = reinterpret_cast<const Elf64_Sym*>(data_ + Read(&symbols->sh_offset) + symbol_at);
      bool is_section = ELF64_ST_TYPE(symbol->st_info) == STT_SECTION;
      if (is_section && Read(&symbol->st_shndx) >= count_) return false;
    }
    return true;
  }

  const Elf64_Shdr* Section(uint64_t index) const {
    return reinterpret_cast<const Elf64_Shdr*>(data_ + sections_ + index * sizeof(Elf64_Shdr));
  }
  bool Fits(uint64_t offset, uint64_t size) const { return offset <= size_ && size <= size_ - offset; }
  bool HasData(const Elf64_Shdr* section) const {
    return Fits(Read(&section->sh_offset), Read(&section->sh_size));
  }

  // Reads a field that has the byte order of the file and may be unaligned.
  template <class T>
  T Read(const T* field) const {
    uint8_t bytes[sizeof(T)];
    memcpy(bytes, field, sizeof(T));
    for (size_t i = 0; swapped_ && i < sizeof(T) / 2; i++) {
      uint8_t byte = bytes[i];
      bytes[i] = bytes[sizeof(T) - 1 - i];
      bytes[sizeof(T) - 1 - i] = byte;
    }
    T value;
    memcpy(&value, bytes, sizeof(T));
    return value;
  }

  const uint8_t* data_;
  size_t size_;
  bool swapped_ = false;
  uint64_t sections_ = 0;
  uint64_t count_ = 0;
};
