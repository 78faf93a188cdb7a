// What a snapshot says is in it, and a store that begins with the state of another one.
#include "core/kv/snapshot_scan.h"

#include <gtest/gtest.h>

#include "core/kv/test_log.h"

namespace aspen::kv {
namespace {

constexpr raft::Index kLater = 1'000'000;

class SnapshotScanTest : public testing::Test {
 protected:
  void SetUp() override {
    SessionId session = log_.open(*machine_);
    lease_ = must(decode_done_reply(
                      log_.run_raw(*machine_, {.kind = Command::Kind::lease_grant, .ttl = 10 * kSecond})))
                 .result;
    log_.run(*machine_,
             in_session(session, 1, 1, write({put("a", "1"), put("b", "22"), put("l", "3", lease_)})));
    log_.run(*machine_, write({erase("b")}));
    log_.run(*machine_, write({put("a", "12")}));
    log_.run_raw(*machine_, {.kind = Command::Kind::quota_set, .prefix = "a", .bytes_max = 100});
  }

  // A store that begins with the state, at `index`.
  Result<std::unique_ptr<StateMachine>> begun(raft::Index index) {
    auto machine = open_machine();
    raft::SnapshotMeta meta = log_.meta();
    meta.index = index;
    ASPEN_TRY(auto sink, machine->begin_with(meta));
    for (const Bytes& chunk : chunks_of(*machine_)) ASPEN_CHECK(sink->write(chunk));
    ASPEN_CHECK(sink->finish());
    return machine;
  }

  TestLog log_;
  std::unique_ptr<StateMachine> machine_ = open_machine();
  LeaseId lease_ = 0;
};

Result<SnapshotContents> scan(const std::vector<Bytes>& chunks) {
  SnapshotScan scan;
  for (const Bytes& chunk : chunks) ASPEN_CHECK(scan.add(chunk));
  return scan.finish();
}

TEST_F(SnapshotScanTest, SaysWhatIsInIt) {
  SnapshotContents contents = must(scan(chunks_of(*machine_)));
  EXPECT_EQ(contents.applied, log_.last_index());
  EXPECT_EQ(contents.time, log_.meta().time);
  EXPECT_EQ(contents.keys, 2u);
  EXPECT_EQ(contents.key_bytes, 5u);
  EXPECT_EQ(contents.leases, 1u);
  EXPECT_EQ(contents.quotas, 1u);
  EXPECT_EQ(contents.sessions, 1u);
  EXPECT_EQ(hash_view(contents.state), must(machine_->fingerprint()));
}

TEST_F(SnapshotScanTest, RefusesOneThatIsNotWhole) {
  std::vector<Bytes> chunks = chunks_of(*machine_);
  chunks.pop_back();
  EXPECT_EQ(code_of(scan(chunks)), Code::CORRUPT);
  EXPECT_EQ(code_of(scan({})), Code::CORRUPT);
}

TEST_F(SnapshotScanTest, AStoreBegunWithItHasTheRecordsAndNotThePast) {
  auto machine = must(begun(kLater));
  EXPECT_EQ(machine->applied(), kLater);
  EXPECT_EQ(machine->compacted(), kLater);
  RangeReply all = must(machine->range({}));
  EXPECT_EQ(all.entries, must(machine_->range({})).entries);
  EXPECT_EQ(must(machine->lease(lease_)).ttl, 10 * kSecond);
  EXPECT_EQ(must(machine->lease_keys(lease_, {})), std::vector<Bytes>{"l"});
  EXPECT_EQ(machine->quotas(), machine_->quotas());
  EXPECT_EQ(code_of(machine->get({.key = "a", .revision = log_.last_index()})), Code::COMPACTED);
  EXPECT_EQ(code_of(machine->changes(1, 1 << 20, false)), Code::COMPACTED);
  EXPECT_EQ(must(machine->get({.key = "a", .revision = kLater})).record->value, "12");
  EXPECT_EQ(must(scan(chunks_of(*machine))).sessions, 0u);
}

// Else a command of the other store's past would be carried out twice.
TEST_F(SnapshotScanTest, ASessionOfTheOtherStoreIsUnknown) {
  auto machine = must(begun(kLater));
  Command again = in_session(1, 1, 1, write({put("a", "again")}));
  auto entry = std::make_shared<raft::Entry>(
      raft::Entry{kLater + 1, 1, raft::EntryKind::command, log_.meta().time, encode(again)});
  raft::EntryPtr entries[] = {entry};
  auto replies = must(machine->apply(entries));
  EXPECT_EQ(code_of(decode_write_reply(replies.at(0))), Code::SESSION_EXPIRED);
  EXPECT_EQ(must(machine->get({.key = "a"})).record->value, "12");
}

TEST_F(SnapshotScanTest, AStoreDoesNotBeginBeforeTheState) {
  EXPECT_EQ(code_of(begun(log_.last_index() - 1)), Code::CORRUPT);
}

TEST_F(SnapshotScanTest, WhatItBeganWithCanBeCopiedOn) {
  auto first = must(begun(kLater));
  auto second = open_machine();
  raft::SnapshotMeta meta = log_.meta();
  meta.index = kLater;
  ASSERT_TRUE(restore_from(*second, meta, chunks_of(*first)));
  EXPECT_EQ(must(second->fingerprint()), must(first->fingerprint()));
}

}  // namespace
}  // namespace aspen::kv
