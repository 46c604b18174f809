#include "log.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

namespace {

// The innermost capture of this thread.
thread_local LogCapture* current = nullptr;

bool IsVerifierLog(const char* text) { return strstr(text, "PROG LOAD LOG --") != nullptr; }

}  // namespace

struct LogSink {
  static int Print(libbpf_print_level level, const char* format, va_list arguments) {
    LogCapture* capture = current;
    if (capture == nullptr) return 0;
    // A program that loads leaves its verifier log (when its log level asks for one) as a debug message.
    if (level > std::max<int>(LIBBPF_WARN, capture->level_) && !IsVerifierLog(format)) return 0;
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(nullptr, 0, format, arguments);
    if (length > 0) {
      std::string text(static_cast<size_t>(length) + 1, '\0');
      vsnprintf(text.data(), text.size(), format, again);
      text.pop_back();
      capture->messages_.push_back({level, std::move(text)});
    }
    va_end(again);
    return length;
  }
};

LogCapture::LogCapture(int level) : level_(level), outer_(current) { current = this; }

LogCapture::~LogCapture() { current = outer_; }

std::string LogCapture::Warnings() const {
  std::string all;
  for (const LogMessage& message : messages_) {
    if (message.level == LIBBPF_WARN || IsVerifierLog(message.text.c_str())) all += message.text;
  }
  return all;
}

void LogCapture::Install() { libbpf_set_print(LogSink::Print); }
