// Random programs: changes, watchers of all kinds, little credit, a short ring, compaction, snapshots. Each
// watcher must be told exactly what a look at all change sets says it should be.
#include <gtest/gtest.h>

#include <random>

#include "core/kv/test_watch.h"

namespace aspen::kv {
namespace {

struct Expected {
  uint64_t revision;
  std::vector<const Event*> events;
};

struct Watcher {
  WatchRequest request;
  uint64_t first = 0;
  int64_t credit = 0;  // as the hub has it, but for the limit
  std::vector<Expected> expected;
  size_t looked_at = 0;  // of the change sets, for `expected`
  size_t sent = 0;       // of `expected`
  size_t events = 0;     // of the next one
  bool ended = false;
};

class Program {
 public:
  explicit Program(uint64_t seed)
      : random_(seed),
        hub_(0, {.ring_bytes_max = random_() % 3 * 700,
                 .page_bytes = 1 + random_() % 600,
                 .batch_bytes = 1 + random_() % 400,
                 .step_events = 1 + random_() % 12}) {}

  void run() {
    for (int step = 0; step < 400 && !testing::Test::HasFailure(); ++step) {
      some_step();
      take();
    }
    for (auto& [id, watcher] : watchers_) {
      hub_.hold(id, false);
      grant(id, 1 << 22);
    }
    while (hub_.catch_up(source_)) {
    }
    take();
    EXPECT_EQ(hub_.behind(), 0u);
    for (auto& [id, watcher] : watchers_) {
      expect(watcher);
      if (!watcher.ended) EXPECT_EQ(watcher.sent, watcher.expected.size()) << "watcher " << id;
    }
  }

 private:
  void some_step() {
    switch (random_() % 16) {
      case 0:
      case 1:
        return add();
      case 2: {
        uint64_t id = some_watcher();
        hub_.remove(id);
        watchers_.erase(id);
        return;
      }
      case 3:
      case 4:
        return grant(some_watcher(), random_() % (4 * kEventCost));
      case 5:
        if (random_() % 4 == 0)
          source_.compacted_revision += random_() % (source_.head + 1 - source_.compacted_revision);
        return;
      case 6:
        return hub_.tick(now_ += kSecond);
      case 7:
        if (random_() % 2 == 0) return hub_.hold(some_watcher(), random_() % 2 == 0);
        return hub_.ask_progress(some_watcher());
      case 8:
        if (random_() % 4 == 0) {
          append(random_() % 8);
          hub_.replaced(source_.head);
        }
        return;
      case 9:
      case 10:
      case 11:
        (void)hub_.catch_up(source_);
        return;
      default: {
        size_t from = source_.sets.size();
        append(1 + random_() % 3);
        hub_.publish(std::span(source_.sets).subspan(from), source_.head);
      }
    }
  }

  Bytes some_key() { return Bytes(1, static_cast<char>('a' + random_() % 6)); }

  void append(uint64_t count) {
    for (; count > 0; --count) {
      if (random_() % 4 == 0) {
        ++source_.head;  // an entry that changes nothing
        continue;
      }
      std::string what;
      for (char key = 'a'; key < 'g'; ++key) {
        if (random_() % 3 == 0) what += (random_() % 3 == 0 ? std::string("-") : std::string("+")) + key;
      }
      if (!what.empty()) source_.append(what);
    }
  }

  void add() {
    Watcher watcher;
    WatchRequest& request = watcher.request;
    if (random_() % 2 == 0) {
      request = single(some_key());
    } else {
      Bytes start = some_key(), end = some_key();
      if (random_() % 2 == 0) request.start = start;
      if (random_() % 2 == 0 && start < end) request.end = end;
    }
    request.first_revision = random_() % 2 == 0 ? 0 : 1 + random_() % (source_.head + 5);
    request.skip_puts = random_() % 6 == 0;
    request.skip_erases = !request.skip_puts && random_() % 6 == 0;
    request.progress_every = random_() % 2 == 0 ? kSecond : 0;
    watcher.credit = static_cast<int64_t>(random_() % (6 * kEventCost));
    auto first = hub_.add(++last_id_, request, static_cast<size_t>(watcher.credit), now_);
    ASSERT_TRUE(first);
    watcher.first = *first;
    EXPECT_EQ(*first, request.first_revision != 0 ? request.first_revision : source_.head + 1);
    watchers_[last_id_] = watcher;
  }

  uint64_t some_watcher() { return 1 + random_() % (last_id_ + 1); }

  void grant(uint64_t id, size_t bytes) {
    hub_.add_credit(id, bytes);
    if (auto found = watchers_.find(id); found != watchers_.end())
      found->second.credit += static_cast<int64_t>(bytes);
  }

  // Adds what came to be since the last call.
  void expect(Watcher& watcher) const {
    for (; watcher.looked_at < source_.sets.size(); ++watcher.looked_at) {
      const ChangeSet& set = *source_.sets[watcher.looked_at];
      if (set.revision < watcher.first) continue;
      Expected one{set.revision, {}};
      for (const Event& event : set.events) {
        const WatchRequest& request = watcher.request;
        bool in = event.key >= request.start && (request.end.empty() || event.key < request.end);
        bool put = event.kind == Event::Kind::put;
        if (in && !(put ? request.skip_puts : request.skip_erases)) one.events.push_back(&event);
      }
      if (!one.events.empty()) watcher.expected.push_back(std::move(one));
    }
  }

  void take() {
    for (const WatchOutput& output : hub_.take_outputs()) {
      auto found = watchers_.find(output.watcher);
      ASSERT_NE(found, watchers_.end()) << "removed";
      Watcher& watcher = found->second;
      ASSERT_FALSE(watcher.ended);
      expect(watcher);
      const std::vector<Expected>& all = watcher.expected;
      switch (output.kind) {
        case WatchOutput::Kind::events:
          for (const WatchFragment& fragment : output.fragments) check(watcher, fragment);
          break;
        case WatchOutput::Kind::progress:
          ASSERT_TRUE(watcher.sent == all.size() || all[watcher.sent].revision > output.revision)
              << "a mark at " << output.revision << " and " << all[watcher.sent].revision << " is missing";
          break;
        case WatchOutput::Kind::ended:
          EXPECT_EQ(output.error->code, Code::COMPACTED);
          EXPECT_EQ(output.revision, source_.compacted_revision);
          EXPECT_LT(watcher.first, source_.compacted_revision);
          watcher.ended = true;
      }
    }
  }

  void check(Watcher& watcher, const WatchFragment& fragment) {
    const std::vector<Expected>& all = watcher.expected;
    ASSERT_FALSE(fragment.events.empty());
    for (uint32_t i : fragment.events) {
      ASSERT_LT(watcher.sent, all.size());
      const Expected& next = all[watcher.sent];
      ASSERT_EQ(fragment.changes->revision, next.revision);
      ASSERT_LT(watcher.events, next.events.size());
      ASSERT_EQ(fragment.changes->events[i], *next.events[watcher.events]);
      ASSERT_GT(watcher.credit, 0) << "sent without credit";
      watcher.credit -= static_cast<int64_t>(cost(fragment.changes->events[i], false));
      ++watcher.events;
    }
    ASSERT_EQ(fragment.last, watcher.events == all[watcher.sent].events.size());
    if (!fragment.last) return;
    ++watcher.sent;
    watcher.events = 0;
  }

  std::mt19937_64 random_;
  TestSource source_;
  WatchHub hub_;
  std::map<uint64_t, Watcher> watchers_;
  uint64_t last_id_ = 0;
  TimeNs now_ = 0;
};

TEST(WatchHubModel, RandomProgramsAgree) {
  for (uint64_t seed = 1; seed <= 300 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Program(seed).run();
  }
}

}  // namespace
}  // namespace aspen::kv
