#include "core/lab/watch_check.h"

#include <gtest/gtest.h>

namespace aspen::lab {
namespace {

class WatchCheckTest : public testing::Test {
 protected:
  void SetUp() override {
    write({.then = {{.key = "a", .value = "1"}, {.key = "b", .value = "1"}}});  // 1
    write({.then = {{.key = "c", .value = "1"}}});                              // 2
    write({.then = {{.kind = kv::Op::Kind::erase, .key = "a"}}});               // 3
    write({.then = {{.key = "b", .value = "2"}}});                              // 4
  }

  void apply(const kv::Command& command) {
    committed_.apply(std::make_shared<raft::Entry>(
        raft::Entry{.index = committed_.upto() + 1, .term = 1, .data = kv::encode(command)}));
  }
  void write(kv::Transaction transaction) { apply({.transaction = std::move(transaction)}); }

  // A story of everything in the range, as it happened.
  WatchStory truth(kv::WatchRequest request = {}, uint64_t first = 1) const {
    WatchStory story{.request = request, .first = first};
    for (auto set = committed_.from(first); set != committed_.sets().end(); ++set) {
      WatchStory::Told told{.revision = set->revision};
      for (kv::Event event : set->events) {
        if (!request.previous) event.previous.reset();
        if (request.matches(event)) told.events.push_back(event);
      }
      if (!told.events.empty()) story.told.push_back(std::move(told));
    }
    return story;
  }
  std::string check(const WatchStory& story) const { return check_told(story, committed_); }

  CommittedChanges committed_;
};

TEST_F(WatchCheckTest, TheTruthIsAccepted) {
  EXPECT_EQ(committed_.failure(), "");
  EXPECT_EQ(check(truth()), "");
  EXPECT_EQ(check(truth({.previous = true}, 2)), "");
  EXPECT_EQ(check(truth({.start = "b", .end = "c"})), "");
  EXPECT_EQ(check(truth({.skip_puts = true})), "");
  WatchStory marked = truth({.start = "b", .end = "c"});
  marked.told.insert(marked.told.begin() + 1, {.revision = 3});
  EXPECT_EQ(check(marked), "");
  EXPECT_EQ(next_to_tell({}, 1, committed_), 1u);
  EXPECT_EQ(next_to_tell({.start = "b", .end = "c"}, 2, committed_), 4u);
  EXPECT_EQ(next_to_tell({.start = "x"}, 1, committed_), 0u);
}

TEST_F(WatchCheckTest, AnythingElseIsNot) {
  auto wrong = [&](auto change) {
    WatchStory story = truth({.previous = true});
    change(story.told);
    return check(story);
  };
  EXPECT_NE(wrong([](auto& told) { told.erase(told.begin()); }), "") << "not complete";
  EXPECT_NE(wrong([](auto& told) { told.insert(told.begin() + 2, told[1]); }), "") << "told twice";
  EXPECT_NE(wrong([](auto& told) { std::swap(told[0], told[1]); }), "") << "out of order";
  EXPECT_NE(wrong([](auto& told) { told[0].events.pop_back(); }), "") << "not whole";
  EXPECT_NE(wrong([](auto& told) {
              WatchStory::Told half{.revision = 1, .events = {told[0].events[1]}};
              told[0].events.pop_back();
              told.insert(told.begin() + 1, half);
            }),
            "")
      << "in two parts";
  EXPECT_NE(wrong([](auto& told) { told[3].events[0].previous.reset(); }), "");
  EXPECT_NE(wrong([](auto& told) { told[3].events[0].record->value = "3"; }), "");
  EXPECT_NE(wrong([](auto& told) { told[3].events[0].key = "x"; }), "");
  EXPECT_NE(wrong([](auto& told) { told[3].revision = 5; }), "");
  EXPECT_NE(wrong([](auto& told) { told.insert(told.begin() + 1, {.revision = 2}); }), "") << "too early";
  EXPECT_NE(wrong([](auto& told) { told.insert(told.begin() + 2, {.revision = 1}); }), "") << "goes back";
  EXPECT_NE(wrong([](auto& told) { told.push_back({.revision = 5}); }), "") << "of the future";
  EXPECT_NE(wrong([](auto& told) { told.insert(told.begin(), {.revision = 3, .compacted = true}); }), "");
}

TEST_F(WatchCheckTest, CompactionMayHideWhatIsOlder) {
  apply({.kind = kv::Command::Kind::compact, .revision = 3});
  WatchStory story{.request = {.previous = true}, .first = 1};
  story.told = {{.revision = 3, .compacted = true}};
  for (auto& told : truth({.previous = true}, 3).told) story.told.push_back(told);
  EXPECT_EQ(check(story), "");
  story.told[1].events[0].previous.reset();
  EXPECT_EQ(check(story), "") << "of the oldest that is kept";
  story.told[2].events[0].previous.reset();
  EXPECT_NE(check(story), "");
  story = truth();
  story.told.push_back({.revision = 3, .compacted = true});
  EXPECT_NE(check(story), "") << "it had been told that";
}

}  // namespace
}  // namespace aspen::lab
