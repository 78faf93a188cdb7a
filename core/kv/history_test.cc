// Reads of earlier revisions, changes, leases and quotas: against the model, at every moment of random logs.
#include "core/kv/history.h"

#include <gtest/gtest.h>

#include "core/base/buggify.h"
#include "core/kv/overlay.h"
#include "core/kv/range_read.h"
#include "core/kv/test_log.h"
#include "core/kv/test_model.h"
#include "core/kv/test_programs.h"
#include "core/store/store_test_dir.h"

namespace aspen::kv {
namespace {

Command compact(uint64_t revision) {
  return {.kind = Command::Kind::compact, .revision = revision};
}
Command grant() {
  return {.kind = Command::Kind::lease_grant, .ttl = kSecond};
}
Command revoke(LeaseId lease) {
  return {.kind = Command::Kind::lease_revoke, .leases = {lease}};
}
Command set_quota(Bytes prefix, uint64_t bytes_max, uint64_t keys_max) {
  return {.kind = Command::Kind::quota_set,
          .prefix = std::move(prefix),
          .bytes_max = bytes_max,
          .keys_max = keys_max};
}

class HistoryTest : public testing::Test {
 protected:
  void put(BytesView key, BytesView value, LeaseId lease = 0) {
    log_.run(*machine_, write({kv::put(key, value, lease)}));
  }
  void erase(BytesView key) { log_.run(*machine_, write({kv::erase(key)})); }
  uint64_t done(const Command& command) {
    return must(decode_done_reply(log_.run_raw(*machine_, command))).result;
  }
  Error refusal(const Command& command) {
    auto reply = decode_done_reply(log_.run_raw(*machine_, command));
    return reply ? Error(Code::OK, "") : reply.error();
  }
  std::optional<Record> at(BytesView key, uint64_t revision) {
    return must(machine_->get({Bytes(key), revision})).record;
  }
  std::string keys_at(uint64_t revision) {
    std::string joined;
    for (const KeyRecord& entry : must(machine_->range({.revision = revision})).entries)
      joined += entry.key + " ";
    return joined;
  }

  TestLog log_;
  std::unique_ptr<StateMachine> machine_ = open_machine();
};

// Its iterators can be positioned so many times, all together; then each that is stands at an error until it
// is positioned again, and the store is fine again.
class FailingReader final : public store::Reader {
 public:
  FailingReader(const store::Reader& rows, int positions) : rows_(rows), positions_(positions) {}
  Result<std::optional<Bytes>> get(BytesView key) const override { return rows_.get(key); }
  std::unique_ptr<store::Iterator> iterate() const override {
    return std::make_unique<FailingIterator>(rows_.iterate(), positions_);
  }
  bool has_failed() const { return positions_ < 0; }

 private:
  class FailingIterator final : public store::Iterator {
   public:
    FailingIterator(std::unique_ptr<store::Iterator> it, int& positions)
        : it_(std::move(it)), positions_(positions) {}
    void seek(BytesView key) override {
      position([&] { it_->seek(key); });
    }
    void seek_for_prev(BytesView key) override {
      position([&] { it_->seek_for_prev(key); });
    }
    void seek_to_last() override {
      position([&] { it_->seek_to_last(); });
    }
    void next() override {
      position([&] { it_->next(); });
    }
    void prev() override {
      position([&] { it_->prev(); });
    }
    bool valid() const override { return !failed_ && it_->valid(); }
    BytesView key() const override { return it_->key(); }
    BytesView value() const override { return it_->value(); }
    Result<> status() const override { return failed_ ? fail(Code::IO, "no disk") : it_->status(); }

   private:
    template <typename F>
    void position(F move) {
      failed_ = positions_-- == 0;
      move();
    }

    std::unique_ptr<store::Iterator> it_;
    int& positions_;
    bool failed_ = false;
  };

  const store::Reader& rows_;
  mutable int positions_;
};

TEST_F(HistoryTest, EveryRevisionCanBeRead) {
  put("a", "1");
  put("b", "1");
  put("a", "2");
  erase("a");
  put("a", "3");
  EXPECT_EQ(at("a", 1), (Record{"1", 1, 1, 1}));
  EXPECT_EQ(at("a", 2), (Record{"1", 1, 1, 1}));
  EXPECT_EQ(at("a", 3), (Record{"2", 1, 3, 2}));
  EXPECT_EQ(at("a", 4), std::nullopt);
  EXPECT_EQ(at("a", 5), (Record{"3", 5, 5, 1}));
  EXPECT_EQ(at("b", 1), std::nullopt);
  EXPECT_EQ(keys_at(1), "a ");
  EXPECT_EQ(keys_at(2), "a b ");
  EXPECT_EQ(keys_at(4), "b ");
  EXPECT_EQ(must(machine_->get({"a", 2})).revision, 5u);
  auto later = machine_->get({"a", 9});
  EXPECT_EQ(later.error().to_string(),
            "INVALID_ARGUMENT: revision 9 has not happened yet; the store is at 5");
}

TEST_F(HistoryTest, ARangeStopsAfterSoManyKeysThatThereWereNot) {
  auto owned = store::open_memory();
  const store::Store& store = *owned;
  machine_ = open_machine(std::move(owned));
  put("a", "1");
  put("z", "1");
  const uint64_t then = log_.last_index();
  for (char key : {'m', 'n', 'o', 'p'}) put(Bytes(1, key), "2");
  erase("n");
  auto step = [&](Bytes start, Bytes end, bool reverse) {
    RangeRequest request{
        .start = std::move(start), .end = std::move(end), .reverse = reverse, .revision = then};
    RangeReply reply = must(read_range(store, 1, request, 2));
    std::string text = reply.entries.empty() ? "" : reply.entries[0].key;
    for (size_t i = 1; i < reply.entries.size(); ++i) text += reply.entries[i].key;
    return text + (reply.more ? "+" + reply.continuation : "");
  };
  EXPECT_EQ(step("b", "", false), "+n" + Bytes(1, '\0'));
  EXPECT_EQ(step("n" + Bytes(1, '\0'), "", false), "+p" + Bytes(1, '\0'));
  EXPECT_EQ(step("p" + Bytes(1, '\0'), "", false), "z");
  EXPECT_EQ(step("", "", false), "a+n" + Bytes(1, '\0'));  // what it has found is a page
  EXPECT_EQ(step("", "y", true), "+o");
  EXPECT_EQ(step("", "o", true), "+m");
  EXPECT_EQ(step("", "m", true), "a");
}

TEST_F(HistoryTest, CompactionEndsReadsBelowIt) {
  put("a", "1");
  put("a", "2");
  put("a", "3");
  EXPECT_EQ(done(compact(2)), 2u);
  EXPECT_EQ(at("a", 2)->value, "2");
  EXPECT_EQ(at("a", 3)->value, "3");
  EXPECT_EQ(machine_->get({"a", 1}).error().to_string(),
            "COMPACTED: revision 1 is compacted; the oldest that is kept is 2");
  EXPECT_EQ(code_of(machine_->range({.revision = 1})), Code::COMPACTED);
  EXPECT_EQ(code_of(machine_->changes(1, 1000, true)), Code::COMPACTED);
  EXPECT_EQ(done(compact(1)), 2u) << "only upwards";
  EXPECT_EQ(refusal(compact(99)).code, Code::INVALID_ARGUMENT);
  EXPECT_EQ(done(compact(7)), 7u) << "itself";
  EXPECT_EQ(keys_at(7), "a ");
}

// The rows of a kind that are in the store, in whatever generation.
size_t rows(const store::Store& store, layout::RowKind kind) {
  size_t count = 0;
  auto it = store.iterate();
  for (it->seek(layout::generation_prefix(1)); it->valid(); it->next()) {
    auto name = layout::parse_row_name(it->key().substr(layout::kGenerationBytes));
    count += name && name->kind == kind ? 1 : 0;
  }
  return count;
}

TEST_F(HistoryTest, WhatIsCompactedGoesOnceThatIsDurable) {
  auto owned = store::open_memory();
  store::Store& store = *owned;
  machine_ = open_machine(std::move(owned));
  for (int i = 0; i < 500; ++i) put("k", std::to_string(i));
  EXPECT_EQ(rows(store, layout::RowKind::history), 499u);
  EXPECT_EQ(rows(store, layout::RowKind::changes), 500u);
  done(compact(400));
  // The store drops rows as it likes, but a crash may still bring back the state from before.
  ASSERT_TRUE(store.flush());
  EXPECT_EQ(rows(store, layout::RowKind::history), 499u);
  const std::vector<Bytes> before = chunks_of(*machine_);
  ASSERT_TRUE(machine_->flush());
  EXPECT_EQ(rows(store, layout::RowKind::history), 499u) << "with the flush that may still fail";
  ASSERT_TRUE(store.flush());
  EXPECT_EQ(rows(store, layout::RowKind::history), 100u);
  EXPECT_EQ(rows(store, layout::RowKind::changes), 101u);
  EXPECT_EQ(at("k", 400)->value, "399");
  EXPECT_EQ(chunks_of(*machine_), before);
}

// Of somebody who looks at it, and goes on after a machine has closed it.
class SharedStore final : public store::Store {
 public:
  explicit SharedStore(std::shared_ptr<store::Store> inner) : inner_(std::move(inner)) {}
  Result<std::optional<Bytes>> get(BytesView key) const override { return inner_->get(key); }
  std::unique_ptr<store::Iterator> iterate() const override { return inner_->iterate(); }
  std::unique_ptr<store::Reader> snapshot() const override { return inner_->snapshot(); }
  Result<> write(store::Batch batch, store::Sync sync) override {
    return inner_->write(std::move(batch), sync);
  }
  Result<> flush() override {
    ASPEN_CHECK(inner_->flush());
    if (auto after = std::exchange(after_flush, nullptr)) after();
    return {};
  }
  void drop(Obsolete obsolete) override { inner_->drop(std::move(obsolete)); }

  std::function<void()> after_flush;

 private:
  const std::shared_ptr<store::Store> inner_;
};

TEST_F(HistoryTest, WhatIsCompactedDuringAFlushWaitsForTheNextOne) {
  std::shared_ptr<store::Store> store = store::open_memory();
  auto shared = std::make_unique<SharedStore>(store);
  SharedStore& hook = *shared;
  machine_ = open_machine(std::move(shared));
  for (int i = 0; i < 10; ++i) put("k", std::to_string(i));
  hook.after_flush = [&] { done(compact(8)); };
  ASSERT_TRUE(machine_->flush());
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(rows(*store, layout::RowKind::history), 9u);
  ASSERT_TRUE(machine_->flush());
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(rows(*store, layout::RowKind::history), 2u);
}

TEST_F(HistoryTest, WhatWasCompactedBeforeARestartGoesAfterIt) {
  std::shared_ptr<store::Store> store = store::open_memory();
  machine_ = open_machine(std::make_unique<SharedStore>(store));
  for (int i = 0; i < 10; ++i) put("k", std::to_string(i));
  done(compact(8));
  machine_ = open_machine(std::make_unique<SharedStore>(store));
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(rows(*store, layout::RowKind::history), 2u);
}

TEST_F(HistoryTest, TheHistoryThatASnapshotBroughtStays) {
  for (int i = 0; i < 10; ++i) put("k", std::to_string(i));
  done(compact(3));
  std::shared_ptr<store::Store> store = store::open_memory();
  auto other = open_machine(std::make_unique<SharedStore>(store));
  ASSERT_TRUE(restore_from(*other, log_.meta(), chunks_of(*machine_)));
  ASSERT_TRUE(other->flush());
  ASSERT_TRUE(store->flush());
  ASSERT_EQ(rows(*store, layout::RowKind::history), 7u);
  EXPECT_EQ(must(other->get({"k", 3})).record->value, "2");
}

// RocksDB drops rows from its snapshots too.
TEST_F(HistoryTest, ASnapshotUnderWayHasWhatIsDroppedMeanwhile) {
  store::TestDir dir;
  std::shared_ptr<store::Store> store = must(store::open_rocksdb({.path = dir.path("state"), .wal = false}));
  machine_ = open_machine(std::make_unique<SharedStore>(store));
  for (int i = 0; i < 10; ++i) put("k", std::to_string(i));
  const std::vector<Bytes> expected = chunks_of(*machine_);
  auto source = must(machine_->snapshot());
  done(compact(8));
  auto first = [&] { return must(store->get(layout::history_key(1, "k", 1))); };
  for (int i = 0; i < 1000 && first(); ++i) {
    put("k", "again");
    ASSERT_TRUE(machine_->flush());
  }
  ASSERT_FALSE(first());
  std::vector<Bytes> chunks;
  for (;;) {
    Bytes chunk = must(source->next());
    if (chunk.empty()) break;
    chunks.push_back(std::move(chunk));
  }
  EXPECT_EQ(chunks, expected);
}

TEST_F(HistoryTest, ChangesAreReadInParts) {
  for (int i = 1; i <= 10; ++i) put("k", std::to_string(i));
  Changes all = must(machine_->changes(3, 1u << 20, true));
  EXPECT_EQ(all.after, 2u);
  EXPECT_EQ(all.upto, 10u);
  ASSERT_EQ(all.sets.size(), 8u);
  EXPECT_EQ(all.sets[0],
            (ChangeSet{3, {{Event::Kind::put, "k", Record{"3", 1, 3, 3}, Record{"2", 1, 2, 2}}}}));
  Changes part = must(machine_->changes(3, 3, false));
  EXPECT_EQ(part.sets.size(), 2u);
  EXPECT_EQ(part.upto, 4u);
  EXPECT_EQ(part.sets[1].events[0].previous, std::nullopt);
  Changes later = must(machine_->changes(12, 3, false));
  EXPECT_EQ(later.after, 11u);
  EXPECT_EQ(later.upto, 11u);
}

TEST_F(HistoryTest, ALeaseTakesItsKeysWithIt) {
  LeaseId lease = done(grant());
  EXPECT_EQ(lease, 1u);
  put("a", "1", lease);
  put("b", "1", lease);
  put("c", "1", lease);
  put("b", "2");
  erase("c");
  EXPECT_EQ(must(machine_->lease(lease)), (Lease{lease, kSecond, 1 * kMillisecond, 1}));
  EXPECT_EQ(must(machine_->lease_keys(lease, {})), std::vector<Bytes>{"a"});
  EXPECT_EQ(done(revoke(lease)), 1u);
  EXPECT_EQ(keys_at(0), "b ");
  EXPECT_EQ(code_of(machine_->lease(lease)), Code::NOT_FOUND);
  EXPECT_EQ(refusal(revoke(lease)).to_string(), "NOT_FOUND: lease 1 does not exist");
  EXPECT_EQ(log_.refusal(*machine_, write({kv::put("a", "", lease)})), Code::NOT_FOUND);
}

TEST_F(HistoryTest, ALeaseIsOfAPrefix) {
  LeaseId lease = done({.kind = Command::Kind::lease_grant, .ttl = kSecond, .prefix = "user/"});
  EXPECT_EQ(must(machine_->lease(lease)).prefix, "user/");
  put("user/1", "", lease);
  EXPECT_EQ(log_.refusal(*machine_, write({kv::put("user", "", lease)})), Code::INVALID_ARGUMENT);
  EXPECT_EQ(log_.refusal(*machine_, write({kv::put("user/2", "", lease), kv::put("z", "", lease)})),
            Code::INVALID_ARGUMENT);
  auto revoke_within = [&](Bytes prefix) {
    return refusal({.kind = Command::Kind::lease_revoke, .leases = {lease}, .prefix = std::move(prefix)})
        .code;
  };
  EXPECT_EQ(revoke_within("user/1"), Code::NOT_FOUND);
  EXPECT_EQ(revoke_within("z"), Code::NOT_FOUND);
  EXPECT_EQ(revoke_within("us"), Code::OK);
  EXPECT_EQ(code_of(machine_->lease(lease)), Code::NOT_FOUND);
}

TEST_F(HistoryTest, KeysOfALeaseComeInPages) {
  LeaseId lease = done(grant());
  for (BytesView key : {"a", "bb", "ccc", "d"}) put(key, "", lease);
  auto page = [&](KeyPage page) { return must(machine_->lease_keys(lease, page)); };
  EXPECT_EQ(page({.start = "bb", .keys_max = 2}), (std::vector<Bytes>{"bb", "ccc"}));
  EXPECT_EQ(page({.start = "b", .bytes_max = 5}), (std::vector<Bytes>{"bb", "ccc"}));
  EXPECT_EQ(page({.start = "c", .bytes_max = 1}), std::vector<Bytes>{"ccc"});
  EXPECT_EQ(page({.start = "e"}), std::vector<Bytes>());
}

TEST_F(HistoryTest, TellsOfLeasesThatComeAndGo) {
  std::string news;
  machine_->on_leases([&](const std::vector<StateMachine::LeaseNews>& leases) {
    for (const auto& [id, ttl] : leases) news += fmt::format("{}:{} ", id, ttl / kMillisecond);
    news += "| ";
  });
  LeaseId first = done(grant());
  LeaseId second = done({.kind = Command::Kind::lease_grant, .ttl = 100 * kMillisecond});
  put("a", "", first);
  refusal({.kind = Command::Kind::lease_grant, .ttl = 1});
  done(revoke(first));
  refusal(revoke(first));
  done({.kind = Command::Kind::leases_expire, .leases = {first, second}});
  EXPECT_EQ(news, "1:1000 | 2:100 | 1:0 | 2:0 | ");
}

TEST_F(HistoryTest, WhatManyLeasesHaveGoesInParts) {
  std::vector<LeaseId> leases;
  for (int i = 0; i < 3; ++i) {
    leases.push_back(done(grant()));
    std::vector<Op> ops;
    for (int j = 0; j < 4000; ++j) ops.push_back(kv::put(std::to_string(i * 4000 + j), "", leases.back()));
    log_.run(*machine_, write(std::move(ops)));
  }
  EXPECT_EQ(done({.kind = Command::Kind::leases_expire, .leases = leases}), 2u);
  EXPECT_EQ(must(machine_->leases(0, 10)).size(), 1u);
  EXPECT_EQ(done({.kind = Command::Kind::leases_expire, .leases = leases}), 3u);
  EXPECT_EQ(keys_at(0), "");
}

TEST_F(HistoryTest, ALeaseHasSoManyKeys) {
  LeaseId lease = done(grant());
  for (int i = 0; i < 5; ++i) {
    std::vector<Op> ops;
    for (int j = 0; j < 2000; ++j) ops.push_back(kv::put(std::to_string(i * 2000 + j), "", lease));
    log_.run(*machine_, write(std::move(ops)));
  }
  EXPECT_EQ(log_.refusal(*machine_, write({kv::put("one more", "", lease)})), Code::LIMIT_EXCEEDED);
  EXPECT_EQ(log_.refusal(*machine_, write({kv::erase("0"), kv::put("one more", "", lease)})), Code::OK);
}

TEST_F(HistoryTest, AQuotaNamesItsPrefixAndLimits) {
  put("p/a", "123");
  EXPECT_EQ(done(set_quota("p/", 20, 2)), 6u);
  put("p/b", "456");
  EXPECT_EQ(log_.refusal(*machine_, write({kv::put("p/c", "")})), Code::QUOTA_EXCEEDED);
  auto refused = decode_write_reply(log_.run_raw(*machine_, write({kv::put("p/a", "1234567890123")})));
  EXPECT_EQ(refused.error().to_string(),
            "QUOTA_EXCEEDED: the keys with prefix \"p/\" are 2 of at most 2, with 12 bytes of at most 20 (0: "
            "any); the command would add 0 and 10");
  EXPECT_EQ(log_.refusal(*machine_, write({kv::put("p/a", "12345678901")})), Code::OK);
  EXPECT_EQ(machine_->quotas(), (std::vector<Quota>{{"p/", 20, 2, 20, 2}}));
  // Over it by a new limit, it may only shrink.
  done(set_quota("p/", 10, 0));
  EXPECT_EQ(log_.refusal(*machine_, write({kv::put("p/a", "12345678902")})), Code::OK);
  EXPECT_EQ(log_.refusal(*machine_, write({kv::put("p/a", "123")})), Code::OK);
  EXPECT_EQ(log_.refusal(*machine_, write({kv::put("p/a", "1234")})), Code::QUOTA_EXCEEDED);
  EXPECT_EQ(log_.refusal(*machine_, write({kv::erase("p/b"), kv::put("p/a", "1234")})), Code::OK);
  done(set_quota("p/", 0, 0));
  EXPECT_TRUE(machine_->quotas().empty());
}

// --- random logs ---

TEST(HistoryOfAFailingStore, ARangeIsRightOrAnError) {
  TestLog log;
  std::unique_ptr<store::Store> memory = store::open_memory();
  const store::Store& rows = *memory;
  auto machine = open_machine(std::move(memory));
  for (const char* key : {"a", "b", "c", "d"}) log.run(*machine, write({kv::put(key, "1")}));
  for (const char* key : {"a", "c", "d"}) log.run(*machine, write({kv::put(key, "2")}));
  log.run(*machine, write({kv::erase("b")}));
  for (uint64_t revision : {4u, 5u, 0u}) {
    for (bool reverse : {false, true}) {
      const RangeRequest request{.limit = 3, .reverse = reverse, .revision = revision};
      const RangeReply expected = must(read_range(rows, 1, request));
      bool failed = true;
      for (int positions = 0; failed; ++positions) {
        FailingReader failing(rows, positions);
        Result<RangeReply> reply = read_range(failing, 1, request);
        failed = failing.has_failed();
        EXPECT_TRUE(reply || failed) << "revision " << revision << ", " << positions;
        if (reply) EXPECT_EQ(*reply, expected) << "revision " << revision << ", " << positions;
      }
    }
  }
}

TEST(HistoryOfAFailingStore, SoIsARangeInATransaction) {
  TestLog log;
  std::unique_ptr<store::Store> memory = store::open_memory();
  const store::Store& rows = *memory;
  auto machine = open_machine(std::move(memory));
  for (const char* key : {"a", "c"}) log.run(*machine, write({kv::put(key, "1")}));
  const Bytes record = must(rows.get(layout::record_key(1, "a"))).value();
  for (bool reverse : {false, true}) {
    std::optional<RangeReply> expected;
    // The first cannot fail.
    for (int positions = 1000; positions >= 0; positions = positions == 1000 ? 12 : positions - 1) {
      FailingReader failing(rows, positions);
      Overlay overlay(failing);
      for (const char* key : {"b", "d"}) overlay.put(layout::record_key(1, key), record);
      Result<RangeReply> reply = read_range(overlay, 1, {.limit = 1, .reverse = reverse});
      EXPECT_TRUE(reply || failing.has_failed()) << positions;
      if (!expected) expected = must(reply);
      if (reply) EXPECT_EQ(*reply, *expected) << positions;
    }
  }
}

class Follower {
 public:
  explicit Follower(uint64_t seed) : programs_(seed) {
    machine_->on_changes([this](Changes changes) {
      for (ChangeSet& set : changes.sets) live_[set.revision] = std::move(set);
    });
  }

  // So many commands, applied in spans of random size.
  void run(size_t commands) {
    while (commands > 0) {
      size_t span = std::min<size_t>(commands, 1 + programs_.below(7));
      commands -= span;
      raft::Index first = log_.last_index();
      std::vector<Result<Bytes>> expected;
      for (size_t i = 0; i < span; ++i) {
        Command command = programs_.command(log_.last_index());
        log_.append(command);
        expected.push_back(model_.run(command, log_.last_index()));
      }
      auto replies = log_.apply(*machine_);
      if (programs_.below(3) == 0) ASSERT_TRUE(machine_->flush());
      for (size_t i = 0; i < span; ++i) {
        SCOPED_TRACE(first + i + 1);
        if (expected[i]) {
          ASSERT_EQ(replies[i], *expected[i]);
        } else {
          ASSERT_EQ(code_of(decode_done_reply(replies[i])), expected[i].error().code);
        }
      }
      check();
      if (testing::Test::HasFailure()) return;
      if (programs_.below(20) == 0) restore();
    }
  }

  const TestLog& log() const { return log_; }
  StateMachine& machine() { return *machine_; }

 private:
  void check() {
    check_reads();
    check_changes();
    std::vector<Quota> quotas;
    for (const auto& [prefix, limits] : model_.quotas) quotas.push_back(model_.usage(prefix));
    EXPECT_EQ(machine_->quotas(), quotas);
    auto leases = must(machine_->leases(0, 1000));
    EXPECT_EQ(leases.size(), model_.leases.size());
    for (const Lease& lease : leases) {
      EXPECT_TRUE(model_.leases.contains(lease.id));
      std::vector<Bytes> keys;
      for (const auto& [key, record] : model_.now) {
        if (record.lease == lease.id) keys.push_back(key);
      }
      EXPECT_EQ(must(machine_->lease_keys(lease.id, {})), keys);
      EXPECT_EQ(lease.keys, keys.size());
    }
  }

  void check_reads() {
    const uint64_t last = log_.last_index(), first = model_.compacted;
    EXPECT_EQ(machine_->compacted(), first);
    for (int i = 0; i < 6; ++i) {
      uint64_t revision = i == 0   ? 0
                          : i == 1 ? std::max<uint64_t>(1, first)
                                   : first + programs_.below(last - first + 1);
      const TestModel::State state = revision == 0 ? model_.now : model_.at(revision);
      RangeRequest request = programs_.range();
      request.revision = revision;
      RangeReply expected = TestModel::range(state, request);
      expected.revision = last;
      EXPECT_EQ(must(machine_->range(request)), expected) << "at " << revision;
      expected = TestModel::range(state, {});
      EXPECT_EQ(must(machine_->range({.revision = revision})).entries, expected.entries) << "at " << revision;
      Bytes key = programs_.key();
      auto found = state.find(key);
      EXPECT_EQ(must(machine_->get({key, revision})).record,
                found == state.end() ? std::nullopt : std::optional(found->second));
    }
    if (first > 1) {
      EXPECT_EQ(code_of(machine_->range({.revision = first - 1})), Code::COMPACTED);
    }
    EXPECT_EQ(code_of(machine_->get({"a", last + 1})), Code::INVALID_ARGUMENT);
  }

  void check_changes() {
    uint64_t from = model_.compacted + programs_.below(log_.last_index() - model_.compacted + 1);
    Changes changes = must(machine_->changes(from, 1u << 20, true));
    std::vector<ChangeSet> expected;
    for (auto it = model_.changes.lower_bound(from); it != model_.changes.end(); ++it) {
      expected.push_back(it->second);
      if (it->first > model_.compacted) continue;
      for (Event& event : expected.back().events) event.previous.reset();
    }
    EXPECT_EQ(changes.sets, expected);
    for (; checked_ <= log_.last_index(); ++checked_) {
      EXPECT_EQ(live_.contains(checked_), model_.changes.contains(checked_));
      if (live_.contains(checked_)) {
        EXPECT_EQ(live_.at(checked_), model_.changes.at(checked_));
      }
    }
  }

  void restore() {
    auto other = open_machine();
    ASSERT_TRUE(restore_from(*other, log_.meta(), chunks_of(*machine_)));
    EXPECT_EQ(must(other->fingerprint()), must(machine_->fingerprint()));
    machine_->on_changes(nullptr);
    other->on_changes([this](Changes changes) {
      for (ChangeSet& set : changes.sets) live_[set.revision] = std::move(set);
    });
    machine_ = std::move(other);
  }

  TestPrograms programs_;
  TestModel model_;
  TestLog log_;
  std::unique_ptr<StateMachine> machine_ = open_machine();
  std::map<uint64_t, ChangeSet> live_;
  uint64_t checked_ = 1;
};

TEST(RandomHistory, AgreesWithTheModelAtEveryRevision) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    Follower follower(seed);
    follower.run(300);
    if (testing::Test::HasFailure()) return;
    // Another that applied the same otherwise is the same, and that it has dropped nothing yet does not
    // matter.
    for (size_t span : {1, 3, 1000}) {
      auto other = open_machine();
      follower.log().apply(*other, span);
      EXPECT_EQ(must(other->fingerprint()), must(follower.machine().fingerprint())) << "span " << span;
    }
  }
}

}  // namespace
}  // namespace aspen::kv
