#include "log.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace {

// The innermost capture of this thread.
thread_local LogCapture* current = nullptr;

}  // namespace

struct LogSink {
  // The arguments of this message are the name of the program and its log.
  static void KeepProgramLog(LogCapture& capture, const char* format, va_list arguments) {
    if (strstr(format, "prog '%s': -- BEGIN PROG LOAD LOG --\n%s--") == nullptr) return;
    va_list again;
    va_copy(again, arguments);
    const char* name = va_arg(again, const char*);
    const char* log = va_arg(again, const char*);
    (*capture.program_logs_)[name] = log;
    va_end(again);
  }

  static int Print(libbpf_print_level level, const char* format, va_list arguments) {
    LogCapture* capture = current;
    bool is_warning = level == LIBBPF_WARN;
    bool is_wanted = capture != nullptr && level <= capture->level_;
    if (level == LIBBPF_DEBUG && capture != nullptr && capture->program_logs_ != nullptr)
      KeepProgramLog(*capture, format, arguments);
    if (capture == nullptr || !(is_warning || is_wanted)) return 0;
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(nullptr, 0, format, arguments);
    if (length > 0) {
      std::string& text = capture->warnings_.text_;
      size_t start = text.size();
      // Printed in place: a second copy of a verifier log would be expensive.
      text.resize(start + static_cast<size_t>(length) + 1);
      vsnprintf(text.data() + start, static_cast<size_t>(length) + 1, format, again);
      text.pop_back();
      if (is_wanted) capture->messages_.push_back({level, text.substr(start)});
      if (is_warning) {
        capture->warnings_.starts_.push_back(start);
      } else {
        text.resize(start);
      }
    }
    va_end(again);
    return length;
  }
};

std::string Warnings::Excerpt() const {
  std::string excerpt;
  for (size_t i = 0; i < starts_.size(); i++) {
    size_t start = starts_[i];
    size_t end = i + 1 < starts_.size() ? starts_[i + 1] : text_.size();
    if (end - start > kEnd) {
      size_t line = text_.find('\n', start);
      size_t rest = text_.find('\n', end - kEnd);
      if (line < rest) excerpt.append(text_, start, line + 1 - start);
      if (rest < end) start = rest + 1;
    }
    excerpt.append(text_, start, end - start);
  }
  return excerpt;
}

LogCapture::LogCapture(int level) : level_(level), outer_(current) { current = this; }

LogCapture::~LogCapture() { current = outer_; }

void LogCapture::Warn(const std::string& text) {
  if (current == nullptr) return;
  current->warnings_.starts_.push_back(current->warnings_.text_.size());
  current->warnings_.text_ += text + "\n";
}

void LogCapture::KeepProgramLogs(std::unordered_map<std::string, std::string>* logs) {
  if (current != nullptr) current->program_logs_ = logs;
}

void LogCapture::Install() { libbpf_set_print(LogSink::Print); }
