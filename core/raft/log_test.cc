#include "core/raft/log.h"

#include <gtest/gtest.h>

#include "core/raft/test_node.h"

namespace aspen::raft {
namespace {

using testing::entry;

// Entries first..., with the given terms.
Log log_of(Index first, std::initializer_list<Term> terms, Term snapshot_term = 0) {
  std::vector<EntryPtr> entries;
  for (Term term : terms) entries.push_back(entry(first + entries.size(), term));
  return Log({.index = first - 1, .term = snapshot_term}, std::move(entries));
}

TEST(Log, EmptyBeginsBeforeTheFirstEntry) {
  Log log;
  EXPECT_EQ(log.first_index(), 1u);
  EXPECT_EQ(log.last_index(), 0u);
  EXPECT_EQ(log.last_term(), 0u);
  EXPECT_EQ(log.term_at(0), Term{0});
  EXPECT_EQ(log.term_at(1), std::nullopt);
  EXPECT_EQ(log.size_bytes(), 0u);
}

TEST(Log, KnowsTermsOfItsEntriesAndOfTheSnapshot) {
  Log log = log_of(6, {3, 3, 4}, 2);
  EXPECT_EQ(log.term_at(4), std::nullopt);
  EXPECT_EQ(log.term_at(5), Term{2});
  EXPECT_EQ(log.term_at(7), Term{3});
  EXPECT_EQ(log.term_at(8), Term{4});
  EXPECT_EQ(log.term_at(9), std::nullopt);
  EXPECT_TRUE(log.matches(8, 4));
  EXPECT_FALSE(log.matches(9, 4));
}

TEST(Log, ComparesCompletenessByTermThenIndex) {
  Log log = log_of(1, {1, 2, 2});
  EXPECT_TRUE(log.up_to_date(3, 2));
  EXPECT_TRUE(log.up_to_date(1, 3));
  EXPECT_TRUE(log.up_to_date(4, 2));
  EXPECT_FALSE(log.up_to_date(2, 2));
  EXPECT_FALSE(log.up_to_date(9, 1));
}

TEST(Log, FindsWhereAnotherLogMayAgree) {
  Log log = log_of(6, {3, 3, 5, 5, 7}, 2);  // indexes 6..10 after a snapshot at 5
  struct Case {
    Index index;
    Term term;
    Index expected;
  };
  for (Case c : {Case{10, 7, 10}, Case{10, 6, 9}, Case{10, 4, 7}, Case{8, 7, 8}, Case{99, 5, 9},
                 Case{10, 1, 5}, Case{5, 2, 5}, Case{3, 9, 3}, Case{0, 0, 0}, Case{99, 99, 10}}) {
    EXPECT_EQ(log.last_not_after(c.index, c.term), c.expected) << c.index << "/" << c.term;
  }
}

TEST(Log, FindsTheFirstMissingEntry) {
  Log log = log_of(3, {2, 2, 3}, 1);
  std::vector<EntryPtr> same = {entry(3, 2), entry(4, 2)};
  EXPECT_EQ(log.first_missing(same), nullptr);
  std::vector<EntryPtr> conflict = {entry(3, 2), entry(4, 3), entry(5, 3)};
  EXPECT_EQ((*log.first_missing(conflict))->index, 4u);
  std::vector<EntryPtr> beyond = {entry(5, 3), entry(6, 3)};
  EXPECT_EQ((*log.first_missing(beyond))->index, 6u);
  std::vector<EntryPtr> compacted = {entry(1, 1), entry(2, 1), entry(3, 2)};
  EXPECT_EQ(log.first_missing(compacted), nullptr);
  std::vector<EntryPtr> rewritten = {entry(1, 1), entry(2, 2), entry(3, 2)};
  EXPECT_EQ((*log.first_missing(rewritten))->index, 2u);
}

TEST(Log, SlicesByBytesButReturnsAtLeastOne) {
  Log log;
  for (Index i = 1; i <= 4; ++i) log.append(entry(i, 1, Bytes(68, 'a')));  // 100 bytes each
  EXPECT_EQ(log.size_bytes(), 400u);
  EXPECT_EQ(log.slice(1, 4, 1).size(), 1u);
  EXPECT_EQ(log.slice(1, 4, 200).size(), 2u);
  EXPECT_EQ(log.slice(2, 4, 299).size(), 2u);
  EXPECT_EQ(log.slice(1, 3, 1000).size(), 3u);
  EXPECT_EQ(log.slice(3, 99, 1000).size(), 2u);
  EXPECT_TRUE(log.slice(5, 9, 1000).empty());
}

TEST(Log, TruncatesCompactsAndResets) {
  Log log = log_of(1, {1, 1, 2, 2, 3});
  log.truncate_from(5);
  EXPECT_EQ(log.last_index(), 4u);
  log.compact({.index = 2, .term = 1});
  EXPECT_EQ(log.first_index(), 3u);
  EXPECT_EQ(log.term_at(2), Term{1});
  EXPECT_EQ(log.size_bytes(), 2 * entry(1, 1)->size_bytes());
  log.compact({.index = 4, .term = 2});
  EXPECT_EQ(log.size(), 0u);
  EXPECT_EQ(log.last_term(), 2u);
  log.append(entry(5, 4));
  log.reset({.index = 100, .term = 9});
  EXPECT_EQ(log.first_index(), 101u);
  EXPECT_EQ(log.last_index(), 100u);
  EXPECT_EQ(log.size_bytes(), 0u);
}

TEST(Log, AssertsItsInvariants) {
  Log log = log_of(1, {2, 3});
  EXPECT_THROW(log.append(entry(4, 3)), Panic);
  EXPECT_THROW(log.append(entry(3, 2)), Panic);
  EXPECT_THROW(log.compact({.index = 2, .term = 2}), Panic);
  EXPECT_THROW(log.truncate_from(0), Panic);
}

}  // namespace
}  // namespace aspen::raft
