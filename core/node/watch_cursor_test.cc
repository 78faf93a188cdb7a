#include "core/node/watch_cursor.h"

#include <gtest/gtest.h>

#include <random>

#include "core/kv/test_watch.h"

namespace aspen::node {
namespace {

kv::Event put(const Bytes& key, uint64_t revision) {
  return {.key = key, .record = kv::Record{.mod_revision = revision}};
}
WatchEvents part(uint64_t revision, bool last, std::vector<kv::Event> events) {
  return {.parts = {{revision, last, std::move(events)}}};
}

std::string pop_all(WatchCursor& cursor) {
  std::string out;
  while (auto item = cursor.pop()) {
    out += fmt::format("{}:", item->revision);
    for (const kv::Event& event : item->events) out += event.key;
    out += ' ';
  }
  return out;
}

TEST(WatchCursor, PutsARevisionTogether) {
  WatchCursor cursor({}, 1000);
  EXPECT_EQ(cursor.open(1).request.first_revision, 0u);
  EXPECT_TRUE(cursor.take(WatchOpened{1, 5}));
  EXPECT_TRUE(cursor.take(part(7, false, {put("a", 7)})));
  EXPECT_EQ(pop_all(cursor), "");
  EXPECT_TRUE(cursor.take(part(7, true, {put("b", 7)})));
  EXPECT_EQ(pop_all(cursor), "7:ab ");
}

TEST(WatchCursor, GoesOnAfterTheLastWholeRevision) {
  WatchCursor cursor({}, 1000);
  (void)cursor.open(1);
  EXPECT_TRUE(cursor.take(WatchOpened{1, 5}));
  EXPECT_EQ(cursor.open(2).request.first_revision, 5u) << "nothing came, but it had begun";
  EXPECT_TRUE(cursor.take(WatchOpened{2, 5}));
  EXPECT_TRUE(cursor.take(part(7, true, {put("a", 7)})));
  EXPECT_TRUE(cursor.take(part(8, false, {put("a", 8)})));
  EXPECT_EQ(cursor.open(3).request.first_revision, 8u);
  EXPECT_TRUE(cursor.take(WatchOpened{3, 8}));
  EXPECT_TRUE(cursor.take(part(8, true, {put("a", 8), put("b", 8)})));
  EXPECT_EQ(pop_all(cursor), "7:a 8:ab ");
  EXPECT_TRUE(cursor.take(WatchMark{3, 20}));
  EXPECT_EQ(cursor.open(4).request.first_revision, 21u);
}

TEST(WatchCursor, MarksAreForTheUserOnceAndNeverGoBack) {
  WatchCursor cursor({}, 1000);
  (void)cursor.open(1);
  EXPECT_TRUE(cursor.take(WatchOpened{1, 5}));
  EXPECT_TRUE(cursor.take(WatchMark{1, 4}));
  EXPECT_EQ(pop_all(cursor), "") << "known from the beginning";
  EXPECT_TRUE(cursor.take(WatchMark{1, 6}));
  EXPECT_TRUE(cursor.take(WatchMark{1, 8}));
  EXPECT_TRUE(cursor.take(WatchMark{1, 7}));
  EXPECT_TRUE(cursor.take(part(9, true, {put("a", 9)})));
  EXPECT_EQ(pop_all(cursor), "8: 9:a ");
}

TEST(WatchCursor, RefusesAMemberThatBreaksItsPromises) {
  auto code = [](auto... news) {
    WatchCursor cursor({.first_revision = 5}, 1000);
    (void)cursor.open(1);
    Result<> result;
    ((result = result ? cursor.take(news) : result), ...);
    return result ? Code::OK : result.error().code;
  };
  const WatchOpened opened{1, 5};
  EXPECT_EQ(code(opened, part(6, true, {put("a", 6)})), Code::OK);
  EXPECT_EQ(code(opened, opened), Code::PROTOCOL);
  EXPECT_EQ(code(WatchOpened{1, 6}), Code::PROTOCOL) << "a gap";
  EXPECT_EQ(code(part(6, true, {put("a", 6)})), Code::PROTOCOL);
  EXPECT_EQ(code(opened, part(4, true, {put("a", 4)})), Code::PROTOCOL);
  EXPECT_EQ(code(opened, part(6, true, {put("a", 6)}), part(6, true, {put("a", 6)})), Code::PROTOCOL);
  EXPECT_EQ(code(opened, part(6, false, {put("a", 6)}), part(7, true, {put("a", 7)})), Code::PROTOCOL);
  EXPECT_EQ(code(opened, part(6, false, {put("b", 6)}), part(6, true, {put("a", 6)})), Code::PROTOCOL);
  EXPECT_EQ(code(opened, part(6, false, {put("b", 6)}), WatchMark{1, 6}), Code::PROTOCOL);
  EXPECT_EQ(code(WatchMark{1, 6}), Code::PROTOCOL);
}

TEST(WatchCursor, ARevisionThatIsTooLargeEndsIt) {
  WatchCursor cursor({.first_revision = 1, .previous = true}, 1000);
  (void)cursor.open(1);
  ASSERT_TRUE(cursor.take(WatchOpened{1, 1}));
  kv::Event event = put("a", 1);
  event.previous = kv::Record{.value = Bytes(limits::kValueBytesMax, 'x')};
  Result<> taken;
  for (char key = 'a'; taken && key < 'z'; ++key) {
    event.key = Bytes(1, key);
    taken = cursor.take(part(1, false, {event}));
    (void)cursor.credit();
  }
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, Code::LIMIT_EXCEEDED);
}

TEST(WatchCursor, RefusesWhatItGaveNoCreditFor) {
  WatchCursor cursor({.first_revision = 1}, 1);
  EXPECT_EQ(cursor.open(1).credit, 1u);
  ASSERT_TRUE(cursor.take(WatchOpened{1, 1}));
  EXPECT_TRUE(cursor.take(part(1, true, {put("a", 1)}))) << "one may overdraw it";
  EXPECT_EQ(cursor.take(part(2, true, {put("a", 2)})).error().code, Code::PROTOCOL);
}

TEST(WatchCursor, GivesCreditForWhatTheUserHasTaken) {
  constexpr size_t kWindow = 4 * kv::kEventCost;
  WatchCursor cursor({.first_revision = 1}, kWindow);
  EXPECT_EQ(cursor.open(1).credit, kWindow);
  EXPECT_EQ(cursor.credit(), 0u) << "not opened";
  ASSERT_TRUE(cursor.take(WatchOpened{1, 1}));
  for (uint64_t revision = 1; revision <= 4; ++revision) {
    ASSERT_TRUE(cursor.take(part(revision, true, {put("a", revision)})));
  }
  EXPECT_EQ(cursor.credit(), 0u);
  cursor.pop();
  EXPECT_EQ(cursor.credit(), kv::kEventCost);
  EXPECT_EQ(cursor.open(2).credit, kv::kEventCost) << "three wait for the user";
  ASSERT_TRUE(cursor.take(WatchOpened{2, 5}));
  // A revision that is larger than the window is let in as it comes, and then paid for.
  ASSERT_TRUE(cursor.take(part(5, false, {put("a", 5)})));
  EXPECT_EQ(cursor.credit(), kv::kEventCost);
  ASSERT_TRUE(cursor.take(part(5, true, {put("b", 5)})));
  EXPECT_EQ(cursor.credit(), 0u);
  while (cursor.pop()) {
  }
  EXPECT_EQ(cursor.credit(), kWindow);
}

// Two members that apply at different times, a connection that is lost at any time, little credit: what the
// user is told must be all change sets, once and whole.
class Program {
 public:
  explicit Program(uint64_t seed) : random_(seed), cursor_(request(), 1 + random_() % 400) {
    for (auto& hub : hubs_) hub = std::make_unique<kv::WatchHub>(0, options());
  }

  void run() {
    for (int i = 0; i < 600 && !testing::Test::HasFailure(); ++i) step(random_() % 10);
    calm_ = true;
    for (int i = 0; i < 20'000 && !testing::Test::HasFailure() && items_.size() < source_.sets.size(); ++i) {
      step(4 + random_() % 6);
    }
    ASSERT_EQ(items_.size(), source_.sets.size());
    for (size_t i = 0; i < items_.size(); ++i) {
      EXPECT_EQ(items_[i].revision, source_.sets[i]->revision);
      EXPECT_EQ(items_[i].events, source_.sets[i]->events);
    }
  }

 private:
  static kv::WatchRequest request() { return {.first_revision = 1, .progress_every = kSecond}; }
  static kv::WatchHubOptions options() {
    return {.ring_bytes_max = 300, .page_bytes = 200, .batch_bytes = 150, .step_events = 3};
  }

  void step(uint64_t what) {
    if (what < 4) {
      change();
    } else if (what < 6) {
      apply(random_() % 2);
    } else if (what == 6) {
      if (!connected_ || (!calm_ && random_() % 4 == 0)) connect();
    } else if (what == 7) {
      hub().tick(now_ += kSecond);
    } else if (what == 8) {
      pop();
    } else {
      (void)hub().catch_up(source_);
    }
    if (connected_) exchange();
  }

  void change() {
    std::string set;
    for (char key = 'a'; key < 'f'; ++key) set += random_() % 2 == 0 ? std::string("+") + key : "";
    if (!set.empty()) source_.append(set);
  }
  void apply(size_t i) {
    if (applied_[i] == source_.sets.size()) return;
    const kv::ChangeSetPtr& set = source_.sets[applied_[i]++];
    hubs_[i]->publish({&set, 1}, set->revision);
  }
  void connect() {
    hub().remove(id_);
    member_ = random_() % 2;
    WatchOpen open = cursor_.open(++id_);
    auto first = hub().add(id_, open.request, open.credit, now_);
    ASSERT_TRUE(first && cursor_.take(WatchOpened{id_, *first}));
    connected_ = true;
  }
  void pop() {
    auto item = cursor_.pop();
    if (!item) return;
    EXPECT_GE(item->revision, told_);
    told_ = item->revision;
    if (!item->events.empty()) return items_.push_back(std::move(*item));
    bool all = items_.size() == source_.sets.size() || source_.sets[items_.size()]->revision > told_;
    EXPECT_TRUE(all) << "a mark at " << told_;
  }
  void exchange() {
    if (size_t bytes = cursor_.credit()) hub().add_credit(id_, bytes);
    for (const kv::WatchOutput& output : hub().take_outputs()) {
      auto news = decode_watch_news(encode(id_, output));
      ASSERT_TRUE(news);
      Result<> taken;
      if (auto* events = std::get_if<WatchEvents>(&*news)) taken = cursor_.take(std::move(*events));
      if (auto* mark = std::get_if<WatchMark>(&*news)) taken = cursor_.take(*mark);
      ASSERT_TRUE(taken) << taken.error().message;
      if (calm_ || random_() % 20 != 0) continue;
      connected_ = false;  // the rest is lost
      return;
    }
  }
  kv::WatchHub& hub() { return *hubs_[member_]; }

  std::mt19937_64 random_;
  kv::TestSource source_;
  std::unique_ptr<kv::WatchHub> hubs_[2];
  size_t applied_[2] = {0, 0};  // of the source's sets
  WatchCursor cursor_;
  bool connected_ = false;
  bool calm_ = false;  // nothing is lost any more
  size_t member_ = 0;
  uint64_t id_ = 0;
  TimeNs now_ = 0;
  std::vector<WatchItem> items_;
  uint64_t told_ = 0;
};

TEST(WatchCursorModel, TellsEverythingOnceWhateverIsLost) {
  for (uint64_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Program(seed).run();
  }
}

}  // namespace
}  // namespace aspen::node
