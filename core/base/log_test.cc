#include "core/base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace aspen {
namespace {

using Lines = std::vector<std::string>;

void collect(LogLevel level, std::string_view line, void* context) {
  static_cast<Lines*>(context)->push_back(fmt::format("{}:{}", static_cast<int>(level), line));
}

class Log : public testing::Test {
 protected:
  ~Log() override { set_log_sink(nullptr, nullptr, LogLevel::off); }

  void log_at_every_level() {
    for (LogLevel level : {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error}) {
      log(level, "{}", "x");
    }
  }

  Lines lines_;
};

TEST_F(Log, PassesItsLevelAndAbove) {
  const std::pair<LogLevel, Lines> cases[] = {
      {LogLevel::debug, {"0:x", "1:x", "2:x", "3:x"}},
      {LogLevel::info, {"1:x", "2:x", "3:x"}},
      {LogLevel::warn, {"2:x", "3:x"}},
      {LogLevel::error, {"3:x"}},
      {LogLevel::off, {}},
  };
  for (const auto& [level, expected] : cases) {
    lines_.clear();
    set_log_sink(collect, &lines_, level);
    log_at_every_level();
    EXPECT_EQ(lines_, expected);
  }
}

TEST_F(Log, NothingIsLoggedAtLevelOff) {
  set_log_sink(collect, &lines_, LogLevel::off);
  log(LogLevel::off, "x");
  set_log_sink(collect, &lines_, LogLevel::debug);
  log(LogLevel::off, "x");
  EXPECT_EQ(lines_, Lines{});
}

TEST_F(Log, WithoutASinkNothingIsEnabled) {
  set_log_sink(nullptr, nullptr, LogLevel::debug);
  EXPECT_FALSE(log_enabled(LogLevel::error));
  log_line(LogLevel::error, "goes nowhere");
}

TEST_F(Log, LinesOfManyThreadsReachTheSinkOneByOne) {
  set_log_sink(collect, &lines_, LogLevel::info);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 500; ++i) log(LogLevel::warn, "{}", i);
      });
    }
  }
  EXPECT_EQ(lines_.size(), 2000u);
}

}  // namespace
}  // namespace aspen
