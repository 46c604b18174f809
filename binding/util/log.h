// libbpf prints through one function for the whole process, on whichever thread called it. A LogCapture takes
// what is printed on its thread while it lives, so every call has its own messages and Workers do not see
// each other's.
#pragma once

#include <string>
#include <vector>

struct LogMessage {
  int level;  // libbpf_print_level
  std::string text;
};

class LogCapture {
 public:
  // Keeps messages up to `level`; warnings and verifier logs always, as errors need them.
  explicit LogCapture(int level);
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  // What an error carries: warnings and verifier logs.
  std::string Warnings() const;
  // Whether anything worth an error was printed.
  bool Silent() const { return Warnings().empty(); }
  std::vector<LogMessage> TakeMessages() { return std::move(messages_); }

  // Makes captures work; any number of times, from any thread.
  static void Install();

 private:
  friend struct LogSink;
  int level_;
  LogCapture* outer_;
  std::vector<LogMessage> messages_;
};
