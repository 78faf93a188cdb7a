#include "core/base/log.h"

#include <atomic>
#include <memory>
#include <mutex>

namespace aspen {
namespace {

struct Sink {
  std::mutex mutex;
  LogSink function = nullptr;
  void* context = nullptr;
};

// Never destroyed: threads of a host runtime may log while the process exits.
Sink& sink() {
  static Sink& instance = *new Sink;
  return instance;
}

std::atomic<LogLevel> threshold{LogLevel::off};

}  // namespace

void set_log_sink(LogSink function, void* context, LogLevel level) {
  std::lock_guard lock(sink().mutex);
  sink().function = function;
  sink().context = context;
  threshold.store(function != nullptr ? level : LogLevel::off, std::memory_order_relaxed);
}

bool log_enabled(LogLevel level) {
  return level < LogLevel::off && level >= threshold.load(std::memory_order_relaxed);
}

void log_line(LogLevel level, std::string_view line) {
  std::lock_guard lock(sink().mutex);
  if (sink().function != nullptr) sink().function(level, line, sink().context);
}

}  // namespace aspen
