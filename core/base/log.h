// Logging with levels. The engine never writes to stdout or stderr by itself: lines go to one process-wide
// sink (a callback set through the C ABI, or the command's own), and are dropped when there is none.
//
// Thread safety: all functions may be called from any thread. The sink is called by one thread at a time,
// whichever logs, under a lock: it must return soon and must not log itself.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

namespace aspen {

enum class LogLevel : uint8_t { debug = 0, info = 1, warn = 2, error = 3, off = 4 };

using LogSink = void (*)(LogLevel level, std::string_view line, void* context);

// Lines below `level` are not formatted. A null sink drops everything.
void set_log_sink(LogSink sink, void* context, LogLevel level);
bool log_enabled(LogLevel level);
void log_line(LogLevel level, std::string_view line);

template <typename... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace aspen
