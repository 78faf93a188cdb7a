#include "core/node/log_host.h"

#include "core/base/mutant.h"

namespace aspen::node {

Result<std::unique_ptr<LogHost>> LogHost::open(Platform& platform, Home& home, size_t segment_bytes) {
  std::unique_ptr<LogHost> host(new LogHost);
  rt::Executor& executor = platform.executor();
  raft::LogJournalOptions options{.random = [&env = executor.env()] { return env.random_u64(); }};
  if (segment_bytes > 0) options.segment_bytes = segment_bytes;
  ASPEN_TRY(host->directory_, home.open_journal());
  ASPEN_TRY(host->logs_, raft::LogJournal::open(*host->directory_, std::move(options)));
  host->lane_ = platform.open_lane(LaneUse::log);
  host->writer_ = std::make_unique<raft::LogWriter>(executor, *host->lane_, *host->logs_);
  return host;
}

rt::Task<Result<>> LogHost::verify(rt::Cx& cx, rt::Lane& background,
                                   std::function<void(const Error&)> on_failure) {
  for (bool more = true;;) {
    const DurationNs period = more ? limits::kLogVerifyPeriod : limits::kLogVerifyPause;
    ASPEN_CO_CHECK(co_await cx.sleep_until(next_multiple(cx.now(), period)));
    auto verified = co_await background.run(cx, [this] { return logs_->verify(limits::kLogVerifyBytes); });
    ASPEN_CO_CHECK(cx.checkpoint());
    more = verified.value_or(true);
    if (verified || ASPEN_MUTANT("node-log-damage-ignored")) continue;
    if (verified.error().code == Code::OVERLOADED) continue;  // the lane is full
    on_failure(verified.error());
    co_return std::unexpected(verified.error());
  }
}

}  // namespace aspen::node
