#include "core/raft/log_record.h"

#include <gtest/gtest.h>

#include "core/raft/test_node.h"

namespace aspen::raft {
namespace {

using Kind = LogRecord::Kind;

TEST(LogRecord, IsReadAsItWasWritten) {
  LogRecord whole{.kind = Kind::whole,
                  .peer = 77,
                  .hard_state = {5, 6},
                  .meta = {.index = 9, .term = 4, .config = testing::voters({1, 2}), .time = 11},
                  .chain = 0x1122334455667788,
                  .copies = 3};
  auto read = decode_log_record(encode(whole));
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(read->kind, Kind::whole);
  EXPECT_EQ(read->peer, 77u);
  EXPECT_EQ(read->hard_state, whole.hard_state);
  EXPECT_EQ(read->meta, whole.meta);
  EXPECT_EQ(read->chain, whole.chain);
  EXPECT_EQ(read->copies, 3u);
  EXPECT_EQ(decode_log_record(encode({.kind = Kind::hard, .hard_state = {8, 1}}))->hard_state,
            (HardState{8, 1}));
  EXPECT_EQ(decode_log_record(encode({.kind = Kind::truncate, .index = 1u << 20}))->index, 1u << 20);
  Entry entry = *testing::entry(12, 3, "data");
  read = decode_log_record(encode_log_entry(Kind::copy, 99, entry));
  EXPECT_EQ(*read->entry, entry);
  EXPECT_EQ(read->chain, 99u);
}

TEST(LogRecord, WhatIsCutShortIsCorrupt) {
  LogRecord whole{
      .kind = Kind::start, .peer = 77, .meta = {.index = 9, .term = 4, .config = testing::voters({1})}};
  for (const Bytes& record : {encode(whole), encode({.kind = Kind::hard, .hard_state = {8, 1}}),
                              encode({.kind = Kind::truncate, .index = 7}),
                              encode_log_entry(Kind::entry, 1, *testing::entry(12, 3, "data"))}) {
    for (size_t size = 0; size < record.size(); ++size) {
      auto read = decode_log_record(BytesView(record).substr(0, size));
      ASSERT_FALSE(read);
      EXPECT_EQ(read.error().code, Code::CORRUPT);
    }
    EXPECT_FALSE(decode_log_record(record + "x"));
  }
  EXPECT_FALSE(decode_log_record("\x63"));
}

TEST(LogRecord, TheChainTellsEveryFieldAndAllThatCameBefore) {
  Entry entry = *testing::entry(12, 3, "data");
  uint64_t chain = chain_after(1, entry);
  EXPECT_EQ(chain_after(1, entry), chain);
  EXPECT_NE(chain_after(2, entry), chain);
  for (auto change : {+[](Entry& e) { ++e.index; }, +[](Entry& e) { ++e.term; }, +[](Entry& e) { ++e.time; },
                      +[](Entry& e) { e.data += "x"; }, +[](Entry& e) { e.kind = EntryKind::noop; }}) {
    Entry other = entry;
    change(other);
    EXPECT_NE(chain_after(1, other), chain);
  }
}

TEST(RecordJoiner, JoinsWhatWasCut) {
  Bytes record(1000, 'x');
  for (size_t i = 0; i < record.size(); ++i) record[i] = static_cast<char>(i);
  record[0] = static_cast<char>(Kind::entry);
  auto parts = cut_record(record, 100);
  ASSERT_GT(parts.size(), 10u);
  RecordJoiner joiner;
  // Without its first part it is nothing, also when another is cut short by the end of the run that wrote it.
  EXPECT_FALSE(joiner.add(1, parts[3]));
  EXPECT_FALSE(joiner.add(2, parts.back()));
  EXPECT_FALSE(joiner.add(3, parts[0]));
  EXPECT_FALSE(joiner.add(4, parts[1]));
  EXPECT_EQ(joiner.add(5, "whole")->record, "whole");
  EXPECT_FALSE(joiner.add(6, parts[2]));
  std::optional<RecordJoiner::Joined> joined;
  for (size_t i = 0; i < parts.size(); ++i) joined = joiner.add(10 + i, parts[i]);
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->record, record);
  EXPECT_EQ(joined->sequence, 10u);
  EXPECT_GT(joined->size, record.size());
  EXPECT_EQ(cut_record("small", 100), std::vector<Bytes>{"small"});
}

}  // namespace
}  // namespace aspen::raft
