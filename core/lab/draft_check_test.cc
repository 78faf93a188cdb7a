// The oracle of drafts: it must see reads that are not of one state, commits that are not what was staged or
// read, conflicts that are none, and what should never have been seen.
#include "core/lab/draft_check.h"

#include "core/lab/test_committed.h"

namespace aspen::lab {
namespace {

using Committed = node::SharedDraft::Committed;

Conflict one(const Bytes& key) {
  return {key, kv::key_end(key)};
}

class DraftCheckTest : public CommittedTest {
 protected:
  static constexpr uint64_t kTag = 5;

  void SetUp() override {
    put("a", "1");  // 1
    put("b", "1");  // 2
    a_ = record("a");
  }

  // Began at 2, has read `a` and put `c`.
  DraftStory story() {
    DraftStory story{.tag = kTag, .acknowledged = 2, .revision = 2, .committed = true};
    story.read = {one("a")};
    story.reads.push_back({.request = {.start = "a", .end = kv::key_end("a")},
                           .page = {.entries = {{"a", a_}}, .revision = 2}});
    story.staged.writes = {{"c", "1"}, {mark(), ""}};
    return story;
  }
  static Bytes mark() { return tagged("~", kTag); }
  uint64_t commit(std::vector<kv::Op> ops = {{.key = "c", .value = "1"}},
                  std::vector<kv::Compare> compares = {}) {
    ops.push_back({.key = mark()});
    return write({.compares = std::move(compares), .then = std::move(ops)});
  }
  // A commit that does not succeed.
  uint64_t conflict() {
    return commit({{.key = "c", .value = "1"}},
                  {{.target = kv::Compare::Target::unchanged_since, .key = "a", .number = 2}});
  }
  static DraftStory told(DraftStory story, Committed answer) {
    story.answer = std::move(answer);
    return story;
  }
  std::string check(const DraftStory& story) { return check_draft(story, committed_); }

  kv::Record a_;  // as the story has read it
};

TEST_F(DraftCheckTest, ReadsAreOfOneState) {
  put("a", "2");
  EXPECT_EQ(check(story()), "");
  DraftStory wrong = story();
  wrong.reads[0].page.entries[0].record = record("a");
  EXPECT_NE(check(wrong), "");
  wrong = story();
  wrong.reads[0].page.revision = 3;
  EXPECT_NE(check(wrong), "");
  wrong = story();
  wrong.reads[0].page.entries.clear();
  EXPECT_NE(check(wrong), "");
  wrong = story();
  wrong.acknowledged = 3;
  EXPECT_NE(check(wrong), "");
}

TEST_F(DraftCheckTest, ReadsSeeWhatIsStaged) {
  DraftStory own = story();
  DraftStory::Read& read = own.reads[0];
  read.request = {.start = "a", .end = "z"};
  read.staged.erase_range("a", "b");
  read.staged.writes["c"] = "own";
  read.page.entries = {{"b", record("b")}, {"c", {.value = "own"}}};
  EXPECT_EQ(check(own), "");
  read.page.entries.pop_back();
  EXPECT_NE(check(own), "");
  read.page.entries = {{"a", record("a")}, {"b", record("b")}, {"c", {.value = "own"}}};
  EXPECT_NE(check(own), "");
}

TEST_F(DraftCheckTest, ACommitIsWhatWasStaged) {
  const uint64_t revision = commit();
  EXPECT_EQ(check(told(story(), {true, revision})), "");
  EXPECT_EQ(check(story()), "");  // nobody was told, and it happened
  EXPECT_NE(check(told(story(), {true, revision + 1})), "");
  EXPECT_NE(check(told(story(), {false, revision})), "");
  DraftStory other = story();
  other.staged.writes["c"] = "2";
  EXPECT_NE(check(other), "");
  other.staged.writes.erase("c");
  EXPECT_NE(check(other), "");
  other = story();
  other.staged.erase_range("b", "c");
  EXPECT_NE(check(other), "");
  other = story();
  other.answer = std::unexpected(Error(Code::UNAVAILABLE, Applied::NO, "no"));
  EXPECT_NE(check(other), "");
}

TEST_F(DraftCheckTest, ErasuresAreChangesOfWhatWasThere) {
  commit({{.kind = kv::Op::Kind::erase, .key = "b"}});
  DraftStory erases{.tag = kTag, .committed = true};
  erases.staged.writes = {{mark(), ""}};
  erases.staged.erase_range("b", "z");
  EXPECT_EQ(check(erases), "");
  erases.staged.writes["x"] = std::nullopt;  // it was absent
  EXPECT_EQ(check(erases), "");
  erases.staged.writes["a"] = std::nullopt;
  EXPECT_NE(check(erases), "");
}

TEST_F(DraftCheckTest, ACommitFollowsWhatItHasRead) {
  put("a", "2");
  commit();
  EXPECT_NE(check(story()), "");
}

TEST_F(DraftCheckTest, ABranchAlsoFollowsWhatItWrites) {
  put("c", "2");
  commit();
  EXPECT_EQ(check(story()), "");
  DraftStory branch = story();
  branch.branch = true;
  EXPECT_NE(check(branch), "");
}

TEST_F(DraftCheckTest, NothingIsSeenOfWhatWasNotCommitted) {
  DraftStory discarded = story();
  discarded.committed = false;
  EXPECT_EQ(check(discarded), "");
  commit();
  EXPECT_NE(check(discarded), "");
}

TEST_F(DraftCheckTest, WhatWasToldIsInTheLogOnce) {
  EXPECT_NE(check(told(story(), {true, 3})), "");
  commit();
  commit();
  EXPECT_NE(check(story()), "");
}

TEST_F(DraftCheckTest, AConflictIsReal) {
  put("a", "2");
  const uint64_t revision = conflict();
  DraftStory story = told(this->story(), {false, revision});
  EXPECT_EQ(check(story), "");
  story.read = {one("b")};
  EXPECT_NE(check(story), "");
  story = told(this->story(), {false, revision});
  story.branch = true;
  EXPECT_NE(check(story), "");  // it is not told where
  story.answer = Committed{false, revision, {one("a")}};
  EXPECT_EQ(check(story), "");
}

TEST_F(DraftCheckTest, OneThatOnlyReadHasReadOneState) {
  DraftStory reads = story();
  reads.staged = {};
  EXPECT_EQ(check(told(reads, {true, 2})), "");
  EXPECT_NE(check(told(reads, {true, 3})), "");
  EXPECT_NE(check(told(reads, {false, 2})), "");
}

TEST(CheckConflicts, AllOfThemAndOnlyThose) {
  auto check = [](std::vector<Conflict> told) {
    const std::vector<Conflict> checked = {one("a"), one("b"), {"c", "f"}};
    return check_conflicts(told, checked, [](const Conflict& range) { return range.start != "b"; });
  };
  EXPECT_EQ(check({one("a"), {"c", "f"}}), "");
  EXPECT_EQ(check({{"a", "f"}}), "");  // ranges that touch are one
  EXPECT_NE(check({one("a")}), "");
  EXPECT_NE(check({one("a"), one("b"), {"c", "f"}}), "");
  EXPECT_NE(check({one("a"), {"c", "d"}}), "");
  EXPECT_NE(check({}), "");
}

}  // namespace
}  // namespace aspen::lab
