#include "core/raft/log_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/raft/test_node.h"

namespace aspen::raft {
namespace {

using store::Sync;
using testing::entry;
using testing::voters;

class LogStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<LogStore> open(PeerId fresh = 11) { return LogStore::open(*store_, fresh).value(); }
  static void write(LogStore& log, LogWrite write) {
    ASSERT_TRUE(log.write(std::span(&write, 1), Sync::yes).has_value());
  }
  void put(BytesView key, BytesView value) {
    store::Batch batch;
    batch.put(key, value);
    ASSERT_TRUE(store_->write(std::move(batch), Sync::no).has_value());
  }
  void erase(BytesView key) {
    store::Batch batch;
    batch.erase(key);
    ASSERT_TRUE(store_->write(std::move(batch), Sync::no).has_value());
  }
  static Bytes key(Index index) { return "e" + Bytes(7, '\0') + Bytes(1, static_cast<char>(index)); }
  std::string load_error() {
    auto durable = open()->load();
    if (durable) return "";
    EXPECT_EQ(durable.error().code, Code::CORRUPT);
    return durable.error().message;
  }
  void fill() {
    auto log = open();
    write(*log,
          {.hard_state = HardState{3, 5}, .entries = {entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 3, "c")}});
  }

  std::unique_ptr<store::Store> store_ = store::open_memory();
};

std::vector<Bytes> data_of(const Durable& durable) {
  std::vector<Bytes> out;
  for (const EntryPtr& e : durable.entries) out.push_back(e->data);
  return out;
}

TEST_F(LogStoreTest, ANewLogIsEmptyAndKeepsItsPeer) {
  EXPECT_EQ(open(11)->peer(), 11u);
  EXPECT_EQ(open(99)->peer(), 11u);
  Durable durable = open()->load().value();
  EXPECT_EQ(durable.hard_state, HardState{});
  EXPECT_EQ(durable.snapshot, SnapshotMeta{});
  EXPECT_TRUE(durable.entries.empty());
}

TEST_F(LogStoreTest, WhatIsWrittenIsLoaded) {
  fill();
  Durable durable = open()->load().value();
  EXPECT_EQ(durable.hard_state, (HardState{3, 5}));
  EXPECT_EQ(data_of(durable), (std::vector<Bytes>{"a", "b", "c"}));
  EXPECT_EQ(durable.entries[2]->index, 3u);
  EXPECT_EQ(durable.entries[2]->term, 3u);
}

TEST_F(LogStoreTest, WritesOfABatchApplyInOrder) {
  auto log = open();
  std::vector<LogWrite> writes(3);
  writes[0] = {.hard_state = HardState{1, 0},
               .entries = {entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 1, "c")}};
  writes[1] = {.hard_state = HardState{2, 0}, .truncate_from = 2, .entries = {entry(2, 2, "B")}};
  writes[2] = {.hard_state = std::nullopt, .entries = {entry(3, 2, "C"), entry(4, 2, "D")}};
  ASSERT_TRUE(log->write(writes, Sync::yes).has_value());
  Durable durable = log->load().value();
  EXPECT_EQ(data_of(durable), (std::vector<Bytes>{"a", "B", "C", "D"}));
  EXPECT_EQ(durable.hard_state.term, 2u);
}

TEST_F(LogStoreTest, WhatIsTruncatedIsGone) {
  auto log = open();
  write(*log,
        {.hard_state = HardState{1, 0}, .entries = {entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 1, "c")}});
  write(*log, {.hard_state = HardState{2, 0}, .truncate_from = 2, .entries = {entry(2, 2, "B")}});
  auto durable = log->load();
  ASSERT_TRUE(durable) << durable.error().to_string();
  EXPECT_EQ(data_of(*durable), (std::vector<Bytes>{"a", "B"}));
}

TEST_F(LogStoreTest, ManyEntriesStayInOrder) {
  auto log = open();
  LogWrite many{.hard_state = HardState{1, 0}, .entries = {}};
  for (Index i = 1; i <= 700; ++i) many.entries.push_back(entry(i, 1, std::to_string(i)));
  write(*log, many);
  Durable durable = log->load().value();
  ASSERT_EQ(durable.entries.size(), 700u);
  EXPECT_EQ(durable.entries[299]->data, "300");
}

TEST_F(LogStoreTest, CompactsAndResets) {
  fill();
  auto log = open();
  SnapshotMeta meta{.index = 2, .term = 1, .config = voters({1}), .time = 4};
  ASSERT_TRUE(log->compact(meta).has_value());
  Durable durable = log->load().value();
  EXPECT_EQ(durable.snapshot, meta);
  EXPECT_EQ(data_of(durable), std::vector<Bytes>{"c"});

  meta = {.index = 40, .term = 3, .config = voters({1, 2}), .time = 9};
  ASSERT_TRUE(log->reset(meta).has_value());
  durable = log->load().value();
  EXPECT_EQ(durable.snapshot, meta);
  EXPECT_TRUE(durable.entries.empty());
  EXPECT_EQ(durable.hard_state, (HardState{3, 5}));
  EXPECT_EQ(log->peer(), 11u);
  write(*log, {.hard_state = std::nullopt, .entries = {entry(41, 3, "z")}});
  EXPECT_EQ(data_of(log->load().value()), std::vector<Bytes>{"z"});
}

TEST_F(LogStoreTest, DamageIsNamed) {
  fill();
  erase(key(2));
  EXPECT_THAT(load_error(), ::testing::HasSubstr("entry 2 is missing"));
  put(key(2), "garbage");
  EXPECT_THAT(load_error(), ::testing::HasSubstr("entry 2"));
  put(key(2), encode(*entry(2, 0)));
  EXPECT_THAT(load_error(), ::testing::HasSubstr("entry 2 has term 0"));
  put(key(2), encode(*entry(2, 1)));
  EXPECT_EQ(load_error(), "");
  put(key(4), encode(*entry(4, 4)));
  EXPECT_THAT(load_error(), ::testing::HasSubstr("entry 4 has term 4"));
  erase(key(4));
  put("e123", "");
  EXPECT_THAT(load_error(), ::testing::HasSubstr("bad key"));
  erase("e123");
  put("snapshot", encode(SnapshotMeta{.index = 2, .term = 1, .config = voters({1}), .time = 0}));
  EXPECT_THAT(load_error(), ::testing::HasSubstr("entry 1 is there"));
  put("snapshot", "x");
  EXPECT_NE(load_error(), "");
  erase("snapshot");
  put("hard", "");
  EXPECT_NE(load_error(), "");
}

TEST_F(LogStoreTest, AStoreOfSomethingElseIsRefused) {
  put("other", "data");
  EXPECT_EQ(LogStore::open(*store_, 1).error().code, Code::CORRUPT);
}

TEST_F(LogStoreTest, AnotherFormatVersionIsRefused) {
  put("format", Bytes("\2\1\0\0\0\0\0\0\0", 9));
  auto result = LogStore::open(*store_, 1);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Code::UNSUPPORTED);
  EXPECT_THAT(result.error().message, ::testing::HasSubstr("format 2"));
  put("format", "\1");
  EXPECT_EQ(LogStore::open(*store_, 1).error().code, Code::CORRUPT);
  put("format", Bytes("\1\0\0\0\0\0\0\0\0", 9));
  EXPECT_EQ(LogStore::open(*store_, 1).error().code, Code::CORRUPT);
}

}  // namespace
}  // namespace aspen::raft
