#include "core/kv/watch_hub.h"

#include <gtest/gtest.h>

#include "core/kv/test_watch.h"

namespace aspen::kv {
namespace {

// A short text of what came: "3:+a-b 5:+a mark5 end". `~` follows a revision that is not complete.
std::string text(const std::vector<WatchOutput>& outputs, uint64_t watcher) {
  std::string out;
  for (const WatchOutput& output : outputs) {
    if (output.watcher != watcher) continue;
    if (!out.empty()) out += ' ';
    if (output.kind == WatchOutput::Kind::progress) out += fmt::format("mark{}", output.revision);
    if (output.kind == WatchOutput::Kind::ended) out += fmt::format("end{}", output.revision);
    for (const WatchFragment& fragment : output.fragments) {
      if (&fragment != &output.fragments.front()) out += ' ';
      out += fmt::format("{}:", fragment.changes->revision);
      for (uint32_t i : fragment.events) {
        const Event& event = fragment.changes->events[i];
        out += (event.kind == Event::Kind::put ? "+" : "-") + event.key;
      }
      if (!fragment.last) out += '~';
    }
  }
  return out;
}

class WatchHubTest : public testing::Test {
 protected:
  explicit WatchHubTest(WatchHubOptions options = {}) : hub_(0, options) {}

  // A change set: "+a-b". Applied at once.
  void change(const std::string& what) {
    source_.append(what);
    hub_.publish({&source_.sets.back(), 1}, source_.head);
  }
  void nothing() { hub_.publish({}, ++source_.head); }

  uint64_t watch(WatchRequest request, size_t credit = 1 << 20) {
    uint64_t id = ++last_id_;
    auto first = hub_.add(id, std::move(request), credit, now_);
    EXPECT_TRUE(first);
    return id;
  }
  // Catches up as far as can be, and says what came for the watcher.
  std::string take(uint64_t watcher) {
    while (hub_.catch_up(source_)) {
    }
    return text(hub_.take_outputs(), watcher);
  }

  TestSource source_;
  WatchHub hub_;
  TimeNs now_ = kSecond;
  uint64_t last_id_ = 0;
};

TEST_F(WatchHubTest, TellsWhatChangedInTheRange) {
  uint64_t one = watch(single("b"));
  uint64_t some = watch({.start = "b", .end = "d"});
  uint64_t all = watch({});
  change("+a");
  change("+b+c+d");
  nothing();
  change("-b");
  auto outputs = hub_.take_outputs();
  EXPECT_EQ(text(outputs, one), "2:+b 4:-b");
  EXPECT_EQ(text(outputs, some), "2:+b+c 4:-b");
  EXPECT_EQ(text(outputs, all), "1:+a 2:+b+c+d 4:-b");
}

TEST_F(WatchHubTest, SkipsWhatIsNotWanted) {
  uint64_t puts = watch({.skip_erases = true});
  uint64_t erases = watch({.skip_puts = true});
  change("+a-b");
  change("+a");
  change("-a");
  uint64_t late = watch({.first_revision = 1, .skip_puts = true});
  while (hub_.catch_up(source_)) {
  }
  auto outputs = hub_.take_outputs();
  EXPECT_EQ(text(outputs, puts), "1:+a 2:+a");
  EXPECT_EQ(text(outputs, erases), "1:-b 3:-a");
  EXPECT_EQ(text(outputs, late), "1:-b 3:-a");
}

TEST_F(WatchHubTest, BeginsInThePastNowOrLater) {
  change("+a");
  change("+b");
  uint64_t past = watch({.first_revision = 2});
  uint64_t now = watch({});
  uint64_t later = watch({.first_revision = 5});
  change("+c");
  change("+d");
  change("+e");
  while (hub_.catch_up(source_)) {
  }
  auto outputs = hub_.take_outputs();
  EXPECT_EQ(text(outputs, past), "2:+b 3:+c 4:+d 5:+e");
  EXPECT_EQ(text(outputs, now), "3:+c 4:+d 5:+e");
  EXPECT_EQ(text(outputs, later), "5:+e");
}

TEST_F(WatchHubTest, WhoHasNoCreditLosesNothing) {
  uint64_t slow = watch({}, 1);
  uint64_t fast = watch({});
  change("+a");
  change("+b");
  change("+c");
  auto outputs = hub_.take_outputs();
  EXPECT_EQ(text(outputs, fast), "1:+a 2:+b 3:+c");
  EXPECT_EQ(text(outputs, slow), "1:+a");
  EXPECT_EQ(take(slow), "");
  hub_.add_credit(slow, kEventCost);  // pays for the first; nothing left
  EXPECT_EQ(take(slow), "2:+b");
  hub_.add_credit(slow, 10 * kEventCost);
  EXPECT_EQ(take(slow), "3:+c");
  EXPECT_EQ(hub_.behind(), 0u);
  change("+d");
  EXPECT_EQ(take(slow), "4:+d");
}

TEST_F(WatchHubTest, OneThatIsHeldWaits) {
  uint64_t watcher = watch({.progress_every = kSecond});
  change("+a");
  hub_.hold(watcher, true);
  change("+b");
  hub_.add_credit(watcher, 1000);
  hub_.tick(now_ += kSecond);
  EXPECT_EQ(take(watcher), "1:+a");
  hub_.hold(watcher, false);
  EXPECT_EQ(take(watcher), "2:+b");
}

TEST_F(WatchHubTest, ARevisionIsTakenUpWhereCreditRanOut) {
  uint64_t watcher = watch({}, 1);
  change("+a+b+c");
  EXPECT_EQ(take(watcher), "1:+a~");
  hub_.add_credit(watcher, kEventCost);
  EXPECT_EQ(take(watcher), "1:+b~");
  change("+d");
  hub_.add_credit(watcher, 10 * kEventCost);
  EXPECT_EQ(take(watcher), "1:+c 2:+d");
}

TEST_F(WatchHubTest, EventsThatAreNotWantedDoNotLeaveARevisionOpen) {
  uint64_t watcher = watch({.skip_erases = true}, 1);
  change("+a-b-c");
  EXPECT_EQ(take(watcher), "1:+a");
}

TEST_F(WatchHubTest, ProgressSaysUpToWhereEverythingWasSent) {
  uint64_t watcher = watch({.start = "x", .progress_every = kSecond});
  change("+a");
  nothing();
  hub_.tick(now_ += kSecond - 1);
  EXPECT_EQ(take(watcher), "");
  hub_.tick(now_ += 1);
  EXPECT_EQ(take(watcher), "mark2");
  hub_.tick(now_ += kSecond);
  EXPECT_EQ(take(watcher), "") << "nothing new to say";
  change("+x");
  hub_.tick(now_ += kSecond);
  EXPECT_EQ(take(watcher), "3:+x") << "the event says as much";
  EXPECT_EQ(hub_.next_tick(), now_ + kSecond);
}

TEST_F(WatchHubTest, ProgressOfOneBehindIsItsOwn) {
  uint64_t watcher = watch({.progress_every = kSecond}, 1);
  change("+a");
  change("+b");
  change("+c");
  hub_.add_credit(watcher, 1);  // not enough to have any
  hub_.tick(now_ += kSecond);
  EXPECT_EQ(take(watcher), "1:+a");
  hub_.add_credit(watcher, kEventCost);
  change("+d+e");
  hub_.tick(now_ += kSecond);
  hub_.tick(now_ += kSecond);
  EXPECT_EQ(take(watcher), "2:+b");
}

TEST_F(WatchHubTest, ProgressIsToldWhenAskedFor) {
  uint64_t watcher = watch({});
  change("+a");
  hub_.ask_progress(watcher);
  change("+b");
  hub_.ask_progress(watcher);
  EXPECT_EQ(take(watcher), "1:+a mark1 2:+b mark2");
  uint64_t behind = watch({.first_revision = 1});
  hub_.ask_progress(behind);
  EXPECT_EQ(take(behind), "1:+a 2:+b mark2");
}

TEST_F(WatchHubTest, EndsWhenCompactionHasPassedIt) {
  for (int i = 0; i < 5; ++i) change("+a");
  source_.compacted_revision = 3;
  WatchHub hub(source_.head);
  ASSERT_TRUE(hub.add(1, {.first_revision = 2}, 1000, now_));
  ASSERT_TRUE(hub.add(2, {.first_revision = 3}, 1000, now_));
  while (hub.catch_up(source_)) {
  }
  auto outputs = hub.take_outputs();
  EXPECT_EQ(text(outputs, 1), "end3");
  EXPECT_EQ(outputs.front().error->code, Code::COMPACTED);
  EXPECT_EQ(text(outputs, 2), "3:+a 4:+a 5:+a");
  EXPECT_EQ(hub.size(), 1u);
}

TEST_F(WatchHubTest, WhoAsksForWhatIsCompactedHearsItAndWhoIsServedGoesOnFromTheRing) {
  for (int i = 0; i < 3; ++i) change("+a");
  uint64_t slow = watch({.first_revision = 1}, 1);
  EXPECT_EQ(take(slow), "1:+a");
  source_.compacted_revision = 3;
  uint64_t late = watch({.first_revision = 1});
  EXPECT_EQ(take(late), "end3");
  hub_.add_credit(slow, 1000);
  EXPECT_EQ(take(slow), "2:+a 3:+a");
}

TEST_F(WatchHubTest, AfterASnapshotTheStoreTellsWhatWasMissed) {
  uint64_t front = watch({});
  uint64_t later = watch({.first_revision = 9});
  change("+a");
  source_.append("+b");
  source_.append("+c");
  hub_.replaced(source_.head);
  change("+d");
  EXPECT_EQ(take(front), "1:+a 2:+b 3:+c 4:+d");
  for (int i = 5; i <= 9; ++i) change("+e");
  EXPECT_EQ(take(later), "9:+e");
}

TEST_F(WatchHubTest, ARemovedOneHearsNothing) {
  uint64_t one = watch(single("a")), two = watch({});
  change("+a");
  hub_.remove(one);
  hub_.remove(one);
  change("+a");
  auto outputs = hub_.take_outputs();
  EXPECT_EQ(text(outputs, one), "");
  EXPECT_EQ(text(outputs, two), "1:+a 2:+a");
  EXPECT_EQ(hub_.size(), 1u);
}

TEST_F(WatchHubTest, RefusesMoreWatchersThanItMayServe) {
  WatchHub hub(0, {.watchers_max = 2});
  EXPECT_TRUE(hub.add(1, {}, 0, 0));
  EXPECT_TRUE(hub.add(2, {}, 0, 0));
  EXPECT_EQ(hub.add(3, {}, 0, 0).error().code, Code::OVERLOADED);
  hub.remove(1);
  EXPECT_TRUE(hub.add(3, {}, 0, 0));
}

TEST_F(WatchHubTest, CreditIsBounded) {
  uint64_t watcher = watch({}, SIZE_MAX);
  for (int i = 0; i < 3; ++i) hub_.add_credit(watcher, SIZE_MAX);
  size_t events = 0;
  for (; hub_.behind() == 0; ++events) change("+a");
  EXPECT_LE((events - 2) * kEventCost, limits::kWatchCreditMax);
}

TEST(WatchRequests, AreChecked) {
  auto code = [](WatchRequest request) {
    auto valid = validate(request);
    return valid ? Code::OK : valid.error().code;
  };
  EXPECT_EQ(code({}), Code::OK);
  EXPECT_EQ(code(single("a")), Code::OK);
  EXPECT_EQ(code({.start = "a", .end = "a"}), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code({.start = "b", .end = "a"}), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code({.start = Bytes(limits::kKeyBytesMax + 2, 'a')}), Code::LIMIT_EXCEEDED);
  EXPECT_EQ(code({.skip_puts = true, .skip_erases = true}), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code({.progress_every = 1}), Code::INVALID_ARGUMENT);
}

// A put that looked at all watchers would make this take minutes.
TEST(WatchHubSpeed, WatchersOfOtherKeysCostNothing) {
  constexpr uint64_t kWatchers = 20'000;
  WatchHub hub(0, {.watchers_max = 2 * kWatchers});
  for (uint64_t id = 1; id <= kWatchers; ++id) {
    Bytes key = fmt::format("{:08}", id);
    ASSERT_TRUE(hub.add(id, single(key), 1 << 20, 0));
    ASSERT_TRUE(hub.add(kWatchers + id, {.start = key, .end = key + "z"}, 1 << 20, 0));
  }
  size_t events = 0;
  for (uint64_t revision = 1; revision <= 20'000; ++revision) {
    auto set = std::make_shared<ChangeSet>();
    set->revision = revision;
    set->events.push_back({.key = fmt::format("{:08}", 2 * revision)});
    ChangeSetPtr shared = set;
    hub.publish({&shared, 1}, revision);
    events += hub.take_outputs().size();
  }
  EXPECT_EQ(events, 20'000u);
}

}  // namespace
}  // namespace aspen::kv
