// The store as its clients see it: records, transactions, ranges; and what replicas must agree on.
#include "core/kv/state_machine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <span>

#include "core/base/buggify.h"
#include "core/base/limits.h"
#include "core/kv/layout.h"
#include "core/kv/test_log.h"
#include "core/kv/test_model.h"
#include "core/kv/test_programs.h"

namespace aspen::kv {
namespace {

class StateMachineTest : public testing::Test {
 protected:
  WriteReply run(std::vector<Op> ops, std::vector<Compare> compares = {}) {
    return log_.run(*machine_, write(std::move(ops), std::move(compares)));
  }
  std::optional<Record> get(BytesView key) { return must(machine_->get({Bytes(key)})).record; }
  RangeReply range(const RangeRequest& request) { return must(machine_->range(request)); }
  std::string keys(const RangeRequest& request) {
    std::string joined;
    for (const KeyRecord& entry : range(request).entries) joined += entry.key + " ";
    return joined;
  }

  TestLog log_;
  std::unique_ptr<StateMachine> machine_ = open_machine();
};

TEST_F(StateMachineTest, ARecordHasItsHistory) {
  EXPECT_EQ(get("k"), std::nullopt);
  EXPECT_EQ(must(machine_->get({"k"})).revision, 0u);
  WriteReply first = run({put("k", "a")});
  EXPECT_TRUE(first.succeeded);
  EXPECT_EQ(first.revision, 1u);
  EXPECT_EQ(first.results, (std::vector<OpResult>{{false, 0}}));
  EXPECT_EQ(get("k"), (Record{"a", 1, 1, 1}));

  run({put("other", "")});
  EXPECT_EQ(run({put("k", "b")}).results, (std::vector<OpResult>{{true, 1}}));
  EXPECT_EQ(get("k"), (Record{"b", 1, 3, 2}));
  EXPECT_EQ(must(machine_->get({"k"})).revision, 3u);

  EXPECT_EQ(run({erase("k")}).results, (std::vector<OpResult>{{true, 3}}));
  EXPECT_EQ(get("k"), std::nullopt);
  EXPECT_EQ(run({erase("k")}).results, (std::vector<OpResult>{{false, 0}}));
  run({put("k", "c")});
  EXPECT_EQ(get("k"), (Record{"c", 6, 6, 1}));
  EXPECT_EQ(get("other"), (Record{"", 2, 2, 1}));
}

TEST_F(StateMachineTest, KeysAndValuesAreBinary) {
  const std::vector<Bytes> odd = {Bytes(1, '\0'), Bytes("\xff\xff", 2), Bytes("a\0b", 3),
                                  Bytes(limits::kKeyBytesMax, '\xff')};
  for (const Bytes& key : odd) run({put(key, key)});
  EXPECT_EQ(range({}).entries.size(), odd.size());
  run({put("large", Bytes(limits::kValueBytesMax, 'v'))});
  for (const Bytes& key : odd) EXPECT_EQ(get(key)->value, key);
  EXPECT_EQ(get("large")->value.size(), limits::kValueBytesMax);
}

TEST_F(StateMachineTest, ConditionsDecideAboutAllOperations) {
  run({put("a", "1"), put("b", "2")});
  const Record b{"2", 1, 1, 1};
  struct Case {
    Compare compare;
    bool holds;
  };
  const std::vector<Case> cases = {
      {key_absent("x"), true},         {key_absent("b"), false},         {key_present("b"), true},
      {key_present("x"), false},       {value_is("b", "2"), true},       {value_is("b", "22"), false},
      {value_is("x", ""), false},      {mod_revision_is("b", 1), true},  {mod_revision_is("b", 2), false},
      {mod_revision_is("x", 0), true}, {mod_revision_is("b", 0), false}, {mod_revision_is("x", 1), false},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const Compare& compare = cases[i].compare;
    WriteReply reply = run({put("marker", std::to_string(i))}, {key_present("a"), compare});
    EXPECT_EQ(reply.succeeded, cases[i].holds) << i;
    EXPECT_EQ(get("marker").value_or(Record()).value == std::to_string(i), cases[i].holds) << i;
    EXPECT_EQ(reply.revision, machine_->applied());
    if (cases[i].holds) continue;
    EXPECT_EQ(reply.failed_compare, 1u) << i;
    EXPECT_EQ(reply.current, compare.key == "b" ? std::optional(KeyRecord{"b", b}) : std::nullopt) << i;
    EXPECT_TRUE(reply.results.empty());
  }
}

TEST_F(StateMachineTest, ATransactionIsOneRevision) {
  run({put("a", "1"), put("b", "1"), put("c", "1")});
  WriteReply reply = run({erase("a"), put("b", "2"), put("d", "1"), erase("x")}, {key_present("a")});
  EXPECT_EQ(reply.results, (std::vector<OpResult>{{true, 1}, {true, 1}, {false, 0}, {false, 0}}));
  EXPECT_EQ(keys({}), "b c d ");
  EXPECT_EQ(get("b"), (Record{"2", 1, 2, 2}));
  EXPECT_EQ(get("d"), (Record{"1", 2, 2, 1}));
  EXPECT_TRUE(run({}, {key_present("b")}).succeeded);
}

TEST_F(StateMachineTest, EntriesOfOneSpanSeeEachOther) {
  log_.append(write({put("k", "1")}));
  log_.append(write({put("k", "2")}, {value_is("k", "1")}));
  log_.append(write({erase("k")}, {mod_revision_is("k", 2)}));
  log_.append(write({put("k", "4")}, {key_absent("k")}));
  log_.append(write({put("k", "5")}, {key_absent("k")}));
  auto replies = log_.apply(*machine_);
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(must(decode_write_reply(replies[i])).succeeded) << i;
  EXPECT_EQ(must(decode_write_reply(replies[4])).current->record, (Record{"4", 4, 4, 1}));
  EXPECT_EQ(get("k"), (Record{"4", 4, 4, 1}));
}

TEST_F(StateMachineTest, WhatCannotBeCarriedOutIsAReply) {
  log_.append_bytes("nonsense");
  log_.append_bytes("");
  log_.append_bytes("ignored", kMillisecond, raft::EntryKind::noop);
  log_.append_bytes(Bytes("\0", 1), kMillisecond, raft::EntryKind::config);
  log_.append(write({put("", "v")}));
  log_.append(write({put("a", "1"), put("b", "2", 7)}));
  log_.append(write({put("ok", "v")}));
  auto replies = log_.apply(*machine_);
  auto code = [&](size_t i) { return code_of(decode_write_reply(replies[i])); };
  EXPECT_EQ(code(0), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code(1), Code::INVALID_ARGUMENT);
  EXPECT_EQ(replies[2], "");
  EXPECT_EQ(replies[3], "");
  EXPECT_EQ(code(4), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code(5), Code::NOT_FOUND);
  EXPECT_TRUE(must(decode_write_reply(replies[6])).succeeded);
  EXPECT_EQ(keys({}), "ok ");
  EXPECT_EQ(machine_->last_time(), 7 * kMillisecond);
  EXPECT_TRUE(must(machine_->apply({})).empty());
}

TEST_F(StateMachineTest, RangesGoBothWays) {
  for (BytesView key : {"a", "b", "ba", "bb", "c"}) run({put(key, "v")});
  EXPECT_EQ(keys({}), "a b ba bb c ");
  EXPECT_EQ(keys({.reverse = true}), "c bb ba b a ");
  EXPECT_EQ(keys({.start = "b"}), "b ba bb c ");
  EXPECT_EQ(keys({.start = "b", .end = "bb"}), "b ba ");
  EXPECT_EQ(keys({.start = "b", .end = "bb", .reverse = true}), "ba b ");
  EXPECT_EQ(keys({.start = "b", .end = prefix_end("b"), .reverse = true}), "bb ba b ");
  EXPECT_EQ(keys({.start = "d"}), "");
  EXPECT_EQ(keys({.end = "a", .reverse = true}), "");
  EXPECT_EQ(keys({.start = "c", .end = "a"}), "");
  EXPECT_EQ(keys({.start = "c", .end = "a", .reverse = true}), "");
  RangeReply reply = range({.limit = 2, .keys_only = true});
  EXPECT_EQ(reply.entries[1], (KeyRecord{"b", Record{"", 2, 2, 1}}));
  EXPECT_TRUE(reply.more);
  EXPECT_EQ(reply.revision, 5u);
  EXPECT_FALSE(range({.limit = 5}).more);
}

TEST_F(StateMachineTest, RangesContinueWhereTheyEnded) {
  std::string all;
  for (int i = 0; i < 50; ++i) {
    Bytes key = {static_cast<char>('a' + i % 7), static_cast<char>(i % 3 * 127), static_cast<char>(i)};
    run({put(key, Bytes(static_cast<size_t>(i) * 3, 'v'))});
  }
  for (bool reverse : {false, true}) {
    std::vector<KeyRecord> whole = range({.reverse = reverse}).entries;
    for (uint32_t limit : {1u, 2u, 7u, 49u, 50u, 51u}) {
      std::vector<KeyRecord> parts;
      RangeRequest request{.limit = limit, .reverse = reverse};
      for (;;) {
        RangeReply reply = range(request);
        ASSERT_FALSE(reply.entries.empty());
        ASSERT_LE(reply.entries.size(), limit);
        std::ranges::move(reply.entries, std::back_inserter(parts));
        if (!reply.more) break;
        (reverse ? request.end : request.start) = reply.continuation;
      }
      EXPECT_EQ(parts, whole) << limit << (reverse ? " reverse" : "");
    }
  }
}

TEST_F(StateMachineTest, RangeRepliesAreBounded) {
  for (char key = 'a'; key < 'e'; ++key) run({put(Bytes(1, key), Bytes(limits::kRangeBytesMax / 2, 'v'))});
  EXPECT_EQ(range({}).entries.size(), 1u);  // two would be over, by their keys
  EXPECT_TRUE(range({}).more);
  EXPECT_EQ(range({.keys_only = true}).entries.size(), 4u);
  run({put("a", Bytes(limits::kRangeBytesMax, 'v'))});
  EXPECT_EQ(range({}).entries.size(), 1u);  // over by itself, and yet returned

  for (size_t i = 0; i < 6; ++i) {
    std::vector<Op> ops;
    for (size_t j = 0; j < 2000; ++j) ops.push_back(put("n" + std::to_string(i * 2000 + j), ""));
    run(std::move(ops));
  }
  EXPECT_EQ(range({.start = "n"}).entries.size(), limits::kRangeEntriesMax);
  EXPECT_EQ(range({.start = "n", .limit = UINT32_MAX}).entries.size(), limits::kRangeEntriesMax);
}

TEST_F(StateMachineTest, ReadsSeeOnlyRecords) {
  SessionId session = log_.open(*machine_);
  log_.run(*machine_, in_session(session, 1, 0, write({put("k", "v")})));
  EXPECT_EQ(keys({}), "k ");
  EXPECT_EQ(keys({.reverse = true}), "k ");
  // An empty key would name the first row of another kind.
  EXPECT_EQ(code_of(machine_->get({""})), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code_of(machine_->get({Bytes(limits::kKeyBytesMax + 1, 'k')})), Code::LIMIT_EXCEEDED);
}

TEST(Opening, RefusesOtherVersionsAndOtherData) {
  auto with = [](BytesView key, BytesView value) {
    auto store = store::open_memory();
    store::Batch batch;
    batch.put(key, value);
    EXPECT_TRUE(store->write(std::move(batch), store::Sync::no));
    return StateMachine::open(std::move(store));
  };
  EXPECT_EQ(code_of(with("something", "else")), Code::CORRUPT);
  EXPECT_EQ(code_of(with(layout::head_key(), "")), Code::CORRUPT);
  EXPECT_EQ(code_of(with(layout::head_key(), encode(layout::Head{}))), Code::CORRUPT);  // no progress
  Bytes newer = encode(layout::Head{});
  newer[0] = 5;
  auto refused = with(layout::head_key(), newer);
  EXPECT_EQ(code_of(refused), Code::UNSUPPORTED);
  EXPECT_NE(refused.error().message.find("version 5"), std::string::npos);
  EXPECT_NE(refused.error().message.find("reads 2 to 4"), std::string::npos);
}

TEST(Opening, ASessionOfAnOlderVersionIsAnybodys) {
  auto store = store::open_memory();
  store::Batch batch;
  Bytes head = encode(layout::Head{});
  head[0] = 3;
  batch.put(layout::head_key(), head);
  batch.put(layout::progress_key(1), encode(layout::Progress{.applied = 7}));
  Bytes row = encode(layout::SessionRow{.last_used = 5, .acknowledged_below = 2, .owner = NodeId{{1}}});
  row.resize(row.size() - NodeId::kSize);
  batch.put(layout::session_key(1, 4, 0), row);
  ASSERT_TRUE(store->write(std::move(batch), store::Sync::no));
  auto machine = must(StateMachine::open(std::move(store)));
  EXPECT_EQ(machine->session_owner(4), NodeId());
  EXPECT_EQ(machine->session_owner(5), std::nullopt);
}

// Commands of every kind, from a few sessions that retry, acknowledge and close, over few keys.
class RandomLog {
 public:
  explicit RandomLog(uint64_t seed) : random_(seed), programs_(seed) {}

  TestLog make(size_t entries) {
    TestLog log;
    for (size_t i = 0; i < entries; ++i) {
      switch (random_() % 12) {
        case 0:
          sessions_.push_back(log.last_index() + 1);
          log.append(open_session(NodeId{{static_cast<uint8_t>(random_() % 3)}}),
                     random_() % 2);  // ties of time
          break;
        case 1:
          log.append(close_session(session()));
          break;
        case 2:
          log.append_bytes(Bytes(random_() % 9, static_cast<char>(random_())));
          break;
        default: {
          Command command = programs_.command(log.last_index());
          uint64_t acknowledged = i / 8;
          if (random_() % 3 > 0)
            command = in_session(session(), acknowledged + random_() % 12, acknowledged, command);
          log.append(command);
          if (random_() % 8 == 0) log.append(command);
        }
      }
    }
    return log;
  }

 private:
  SessionId session() { return sessions_.empty() ? 1 : sessions_[random_() % sessions_.size()]; }
  std::mt19937_64 random_;
  TestPrograms programs_;
  std::vector<SessionId> sessions_;
};

TEST(Determinism, SpansDoNotMatter) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    TestLog log = RandomLog(seed).make(400);
    auto one = open_machine();
    auto replies = log.apply(*one, 1);
    for (size_t span : {2, 7, 1000}) {
      auto other = open_machine();
      EXPECT_EQ(log.apply(*other, span), replies);
      EXPECT_EQ(must(other->fingerprint()), must(one->fingerprint())) << "seed " << seed << " span " << span;
    }
  }
}

// While it lives every rare path is taken one time in four, and noted.
struct RarePaths {
  RarePaths() {
    buggify_hook = [](const char* site) { return random() % 4 == 0 && (taken.insert(site), true); };
  }
  ~RarePaths() { buggify_hook = nullptr; }
  static inline std::mt19937_64 random;
  static inline std::set<std::string> taken;
};

RangeReply whole_range(const StateMachine& machine) {
  RangeReply all = must(machine.range({}));
  while (all.more) {
    RangeReply rest = must(machine.range({.start = all.continuation}));
    EXPECT_FALSE(rest.entries.empty());
    all.entries.insert(all.entries.end(), rest.entries.begin(), rest.entries.end());
    all.more = rest.more;
    all.continuation = rest.continuation;
  }
  return all;
}

TEST(Determinism, RarePathsDoNotMatter) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    TestLog log = RandomLog(seed).make(400);
    auto plain = open_machine();
    auto replies = log.apply(*plain, 1);
    auto other = open_machine();
    auto copy = open_machine();
    RarePaths rare;
    EXPECT_EQ(log.apply(*other, 3), replies);
    ASSERT_TRUE(restore_from(*copy, log.meta(), chunks_of(*other)));
    EXPECT_EQ(must(other->fingerprint()), must(plain->fingerprint())) << "seed " << seed;
    EXPECT_EQ(must(copy->fingerprint()), must(plain->fingerprint())) << "seed " << seed;
    RangeReply ranged = whole_range(*copy);
    buggify_hook = nullptr;
    EXPECT_EQ(ranged, whole_range(*plain)) << "seed " << seed;
  }
  EXPECT_EQ(RarePaths::taken.size(), 6u) << "sites met";
}

// Keeps every batch, to build the store as it was after some of them.
class RecordingStore final : public store::Store {
 public:
  explicit RecordingStore(std::vector<store::Batch>& batches) : batches_(batches) {}
  Result<std::optional<Bytes>> get(BytesView key) const override { return inner_->get(key); }
  std::unique_ptr<store::Iterator> iterate() const override { return inner_->iterate(); }
  std::unique_ptr<store::Reader> snapshot() const override { return inner_->snapshot(); }
  Result<> flush() override { return {}; }
  void drop(Obsolete) override {}
  Result<> write(store::Batch batch, store::Sync sync) override {
    batches_.push_back(batch);
    return inner_->write(std::move(batch), sync);
  }

 private:
  std::vector<store::Batch>& batches_;
  std::unique_ptr<store::Store> inner_ = store::open_memory();
};

// A crash may leave any prefix of the store's writes.
TEST(Crash, AfterAnyWriteTheLogBringsTheStateForward) {
  std::vector<store::Batch> batches;
  TestLog log = RandomLog(1).make(120);
  auto machine = open_machine(std::make_unique<RecordingStore>(batches));
  auto replies = log.apply(*machine, 3);
  for (size_t kept = 1; kept <= batches.size(); ++kept) {
    auto store = store::open_memory();
    for (size_t i = 0; i < kept; ++i) ASSERT_TRUE(store->write(batches[i], store::Sync::no));
    auto after = open_machine(std::move(store));
    ASSERT_NE(after, nullptr);
    auto again = log.apply(*after);
    EXPECT_TRUE(std::ranges::equal(again, std::span(replies).last(again.size()))) << "after write " << kept;
    EXPECT_EQ(must(after->fingerprint()), must(machine->fingerprint())) << "after write " << kept;
  }
}

TEST(Determinism, FingerprintsTellStatesApart) {
  TestLog log;
  auto machine = open_machine();
  SessionId session = log.open(*machine);
  std::set<Bytes> seen = {must(machine->fingerprint())};
  auto differs = [&](const Command& command) {
    log.run_raw(*machine, command, 0);
    return seen.insert(must(machine->fingerprint())).second;
  };
  EXPECT_TRUE(differs(in_session(session, 1, 0, write({}))));
  EXPECT_TRUE(differs(in_session(session, 2, 1, write({}))));
  EXPECT_TRUE(differs(write({put("a", "")})));
  EXPECT_TRUE(differs(write({erase("a")})));
  EXPECT_TRUE(differs(close_session(session)));
  log.append_bytes("", 0, raft::EntryKind::noop);
  log.apply(*machine);
  EXPECT_TRUE(seen.insert(must(machine->fingerprint())).second);
  EXPECT_FALSE(seen.insert(must(machine->fingerprint())).second);
}

// The rules of apply(), with sessions.
class Model {
 public:
  void apply(const raft::Entry& entry, const Bytes& reply) {
    auto command = decode_command(entry.data);
    if (!command || !validate(*command)) {
      EXPECT_FALSE(decode_write_reply(reply));
      return;
    }
    if (command->kind == Command::Kind::open_session) replies_[entry.index];
    if (command->kind == Command::Kind::close_session) replies_.erase(command->session);
    if (command->kind == Command::Kind::open_session || command->kind == Command::Kind::close_session) return;
    if (command->session == 0) return expect(reply, store.run(*command, entry.index));
    auto session = replies_.find(command->session);
    if (session == replies_.end()) {
      EXPECT_EQ(code_of(decode_write_reply(reply)), Code::SESSION_EXPIRED);
      return;
    }
    auto& [acknowledged, given] = session->second;
    acknowledged = std::max(acknowledged, command->acknowledged_below);
    if (command->sequence < acknowledged) {
      EXPECT_EQ(code_of(decode_write_reply(reply)), Code::INVALID_ARGUMENT);
      return;
    }
    auto [remembered, fresh] = given.try_emplace(command->sequence, reply);
    if (fresh) return expect(reply, store.run(*command, entry.index));
    EXPECT_EQ(reply, remembered->second);
  }

  TestModel store;

 private:
  void expect(const Bytes& reply, const Result<Bytes>& expected) {
    if (expected) {
      EXPECT_EQ(reply, *expected);
    } else {
      EXPECT_EQ(code_of(decode_write_reply(reply)), expected.error().code);
    }
  }

  std::map<SessionId, std::pair<uint64_t, std::map<uint64_t, Bytes>>> replies_;
};

TEST(Randomized, AgreesWithAModel) {
  std::mt19937_64 random(11);
  for (uint64_t seed = 100; seed < 130; ++seed) {
    TestLog log = RandomLog(seed).make(500);
    auto machine = open_machine();
    Model model;
    while (machine->applied() < log.last_index()) {
      raft::Index first = machine->applied();
      auto replies = log.apply(*machine, SIZE_MAX, first + 1 + random() % 9);
      for (size_t i = 0; i < replies.size(); ++i) model.apply(*log.entries()[first + i], replies[i]);
      ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
    }
    std::map<Bytes, Record> records;
    for (KeyRecord& entry : must(machine->range({})).entries) records[entry.key] = entry.record;
    EXPECT_EQ(records, model.store.now) << "seed " << seed;
    for (auto& [key, record] : model.store.now) EXPECT_EQ(must(machine->get({key})).record, record);
  }
}

}  // namespace
}  // namespace aspen::kv
