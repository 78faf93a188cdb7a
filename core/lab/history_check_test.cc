// The oracle of reads at a revision: it must see data of another revision, and errors that are not true.
#include "core/lab/history_check.h"

#include "core/lab/test_committed.h"

namespace aspen::lab {
namespace {

class HistoryCheckTest : public CommittedTest {
 protected:
  void SetUp() override {
    put("a", "1");  // 1
    put("b", "1");  // 2
    put("a", "2");  // 3
    erase("b");     // 4
    compact(3);     // 5
    put("c", "1");  // 6
  }
  std::optional<kv::Record> at(const Bytes& key, uint64_t revision) {
    const kv::Record* record = committed_.model().find(key, revision);
    return record != nullptr ? std::optional(*record) : std::nullopt;
  }
  std::string check(const ReadStory& story) { return check_read(story, committed_); }
  ReadStory get(const Bytes& key, uint64_t revision, std::optional<kv::Record> told, uint64_t applied = 6) {
    return {.request = kv::GetRequest{key, revision}, .got = kv::GetReply{told, applied}, .committed = 6};
  }
  ReadStory range(kv::RangeRequest request, std::vector<kv::KeyRecord> told) {
    return {.request = request, .page = kv::RangeReply{.entries = told, .revision = 6}, .committed = 6};
  }
  ReadStory failed(uint64_t revision, Code code, const char* message) {
    return {.request = kv::GetRequest{"a", revision}, .error = Error(code, message), .committed = 6};
  }
};

TEST_F(HistoryCheckTest, AGetTellsWhatWasThere) {
  EXPECT_EQ(check(get("b", 3, at("b", 3))), "");
  EXPECT_EQ(check(get("b", 4, {})), "");
  EXPECT_EQ(check(get("a", 0, at("a", 3))), "");
  EXPECT_NE(check(get("b", 4, at("b", 3))), "");
  EXPECT_NE(check(get("b", 3, {})), "");
  EXPECT_NE(check(get("a", 3, at("a", 1))), "");
}

TEST_F(HistoryCheckTest, AnAnswerComesFromAStateThatHasIt) {
  EXPECT_NE(check(get("b", 2, at("b", 2))), "");     // compacted then
  EXPECT_EQ(check(get("b", 2, at("b", 2), 4)), "");  // not yet
  EXPECT_NE(check(get("c", 6, at("c", 6), 5)), "");  // to come
  EXPECT_NE(check(get("c", 6, at("c", 6), 7)), "");  // not committed
  ReadStory late = get("a", 3, at("a", 3), 4);
  late.acknowledged = 5;
  EXPECT_NE(check(late), "");
  late.freshness = node::kAnyAge;
  EXPECT_EQ(check(late), "");
}

TEST_F(HistoryCheckTest, APageHasAllThatItSpeaksOf) {
  const kv::KeyRecord a{"a", *at("a", 3)}, b{"b", *at("b", 3)};
  EXPECT_EQ(check(range({.revision = 3}, {a, b})), "");
  EXPECT_EQ(check(range({.reverse = true, .revision = 3}, {b, a})), "");
  EXPECT_EQ(check(range({.start = "b", .revision = 3}, {b})), "");
  EXPECT_NE(check(range({.revision = 3}, {a})), "");
  EXPECT_NE(check(range({.revision = 4}, {a, b})), "");
  EXPECT_NE(check(range({.limit = 1, .revision = 3}, {a, b})), "");
  EXPECT_NE(check(range({.revision = 3}, {b, a})), "");
  EXPECT_NE(check(range({.keys_only = true, .revision = 3}, {a, b})), "");
  ReadStory part = range({.revision = 3}, {a});
  part.page->more = true;
  part.page->continuation = Bytes("a\0", 2);
  EXPECT_EQ(check(part), "");
  part.page->continuation = "c";
  EXPECT_NE(check(part), "");
  part.page->entries.clear();
  part.page->continuation = "a";
  EXPECT_NE(check(part), "");
}

TEST_F(HistoryCheckTest, AnErrorIsTrue) {
  const char* compacted = "revision 2 is compacted; the oldest that is kept is 3";
  EXPECT_EQ(check(failed(2, Code::COMPACTED, compacted)), "");
  EXPECT_NE(check(failed(3, Code::COMPACTED, compacted)), "");
  EXPECT_NE(check(failed(1, Code::COMPACTED, "the oldest that is kept is 2")), "");
  ReadStory early = failed(2, Code::COMPACTED, compacted);
  early.committed = 4;
  EXPECT_NE(check(early), "");
  ReadStory future = failed(7, Code::INVALID_ARGUMENT, "revision 7 has not happened yet; the store is at 6");
  future.acknowledged = 6;
  EXPECT_EQ(check(future), "");
  future.acknowledged = 7;
  EXPECT_NE(check(future), "");
  future.freshness = node::kAnyAge;
  EXPECT_EQ(check(future), "");
  EXPECT_NE(check(failed(7, Code::INVALID_ARGUMENT, "no")), "");
  EXPECT_NE(check(failed(3, Code::NOT_FOUND, "no")), "");
  EXPECT_EQ(check(failed(3, Code::UNAVAILABLE, "nobody is there")), "");
}

}  // namespace
}  // namespace aspen::lab
