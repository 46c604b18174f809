// libbpf prints through one function for the whole process, on whichever thread called it. A LogCapture
// collects what libbpf prints on its own thread while the capture exists. So every call gets its own
// messages, and Workers do not see each other's.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "handle.h"

struct LogMessage {
  int level;  // libbpf_print_level
  std::string text;
};

// The warnings of one call, one after the other. A rejected program's verifier log is one of them and can
// have hundreds of megabytes.
class Warnings {
 public:
  bool empty() const { return text_.empty(); }
  // Whether the excerpt leaves something out.
  bool IsLong() const { return text_.size() > kMost; }
  // Of each message that is too long, only the first line and the end. The verdict is at the end.
  std::string Excerpt() const;
  std::string TakeText() { return std::move(text_); }

 private:
  friend struct LogSink;
  friend class LogCapture;
  static constexpr size_t kMost = 256 << 10;
  static constexpr size_t kEnd = 64 << 10;

  std::string text_;
  // Where each message begins.
  std::vector<size_t> starts_;
};

class LogCapture {
 public:
  // Keeps messages up to `level` for the logger. Warnings are always kept, because errors carry them.
  explicit LogCapture(int level);
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  bool Silent() const { return warnings_.empty(); }
  Warnings TakeWarnings() { return std::move(warnings_); }
  std::vector<LogMessage> TakeMessages() { return std::move(messages_); }

  // Adds a warning of our own to those of the call that runs on this thread.
  static void Warn(const std::string& text);

  // From now on, the capture of this thread keeps the verifier's log of each program that is loaded, by its
  // name. libbpf prints it for debugging, unless it was given a buffer. The log of a program that is rejected
  // is a warning.
  static void KeepProgramLogs(std::unordered_map<std::string, std::string>* logs);

  // Makes captures work. May be called any number of times, from any thread.
  static void Install();

 private:
  friend struct LogSink;
  int level_;
  LogCapture* outer_;
  Warnings warnings_;
  std::vector<LogMessage> messages_;
  std::unordered_map<std::string, std::string>* program_logs_ = nullptr;
};

// A long log that stays outside of V8's heap until somebody reads it.
class LongLog : public Handle {
 public:
  static constexpr Kind kKind = Kind::kLongLog;
  explicit LongLog(std::string text) : Handle(kKind), text(std::move(text)) {}
  const char* Refusal() const override { return nullptr; }

  const std::string text;
};
