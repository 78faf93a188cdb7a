// Indexes in the state machine: by hand, and against the records at every moment of random logs.
#include <gtest/gtest.h>

#include "core/kv/index_commands.h"
#include "core/kv/index_limits.h"
#include "core/kv/test_log.h"
#include "core/kv/test_model.h"
#include "core/kv/test_programs.h"
#include "core/kv/tuple.h"

namespace aspen::kv {
namespace {

Command create(Bytes name, Bytes prefix, Bytes extractor) {
  return {.kind = Command::Kind::index_create,
          .prefix = std::move(prefix),
          .name = std::move(name),
          .extractor = std::move(extractor)};
}
Command drop(Bytes name) {
  return {.kind = Command::Kind::index_drop, .name = std::move(name)};
}
Command step() {
  return {.kind = Command::Kind::index_step};
}

// "value@key", in the order of a scan; texts and integers only.
std::string text_of(const IndexScanReply& reply) {
  std::string text;
  for (const IndexEntry& entry : reply.entries) {
    const Tuple tuple = must(unpack(entry.value));
    const TupleItem& item = tuple.at(0);
    const auto* number = item.get<int64_t>();
    text += (number != nullptr ? std::to_string(*number) : item.get<Text>()->utf8) + "@" + entry.key + " ";
  }
  return text;
}

size_t rows(const store::Store& store, layout::RowKind kind) {
  size_t count = 0;
  auto it = store.iterate();
  for (it->seek(layout::generation_prefix(1)); it->valid(); it->next()) {
    auto name = layout::parse_row_name(it->key().substr(layout::kGenerationBytes));
    count += name && name->kind == kind ? 1 : 0;
  }
  return count;
}

class IndexTest : public testing::Test {
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
  void build() {
    for (int i = 0; i < 100 && done(step()) > 0; ++i) continue;
  }
  std::string all(Bytes name) { return text_of(must(machine_->scan({.index = std::move(name)}))); }
  std::string between(const Tuple& start, const Tuple& end) {
    return text_of(must(machine_->scan({.index = "i", .start = must(pack(start)), .end = must(pack(end))})));
  }

  TestLog log_;
  store::Store* store_ = nullptr;
  std::unique_ptr<StateMachine> machine_ = [this] {
    auto owned = store::open_memory();
    store_ = owned.get();
    return open_machine(std::move(owned));
  }();
};

TEST_F(IndexTest, IsBuiltFromWhatIsThereAndThenKept) {
  put("u/1", R"({"name": "eve"})");
  put("u/2", R"({"name": "bob"})");
  put("v/1", R"({"name": "not under the prefix"})");
  EXPECT_EQ(done(create("i", "u/", "json:/name")), 4u);
  EXPECT_EQ(machine_->scan({.index = "i"}).error().to_string(),
            "NOT_FOUND: the index \"i\" is not built yet: 0 records so far; ask again in a moment");
  EXPECT_EQ(done(step()), 0u);
  EXPECT_EQ(all("i"), "bob@u/2 eve@u/1 ");
  put("u/3", R"({"name": "ada"})");
  put("u/1", R"({"name": "zoe"})");
  erase("u/2");
  put("u/4", "no JSON");
  EXPECT_EQ(all("i"), "ada@u/3 zoe@u/1 ");
  IndexScanReply reply = must(machine_->scan({.index = "i"}));
  EXPECT_EQ(reply.revision, log_.last_index());
  EXPECT_EQ(reply.entries[0].record, (Record{R"({"name": "ada"})", 6, 6, 1}));
  EXPECT_EQ(must(machine_->scan({.index = "i", .keys_only = true})).entries[0].record, (Record{"", 6, 6, 1}));
  EXPECT_EQ(machine_->scan({.index = "j"}).error().to_string(), "NOT_FOUND: there is no index \"j\"");
}

TEST_F(IndexTest, IsScannedInTheOrderOfValuesAndByParts) {
  done(create("i", "", "json:"));
  build();
  for (auto [key, value] :
       {std::pair{"a", "10"}, {"b", "9"}, {"c", "10"}, {"d", "\"x\""}, {"e", "[9, 11]"}}) {
    put(key, value);
  }
  EXPECT_EQ(all("i"), "x@d 9@b 9@e 10@a 10@c 11@e ");
  EXPECT_EQ(between({9}, {11}), "9@b 9@e 10@a 10@c ");
  EXPECT_EQ(between({10, Blob{"b"}}, {11}), "10@c ") << "from a key on";
  KeyRange ten = must(tuple_range({10}));
  EXPECT_EQ(text_of(must(machine_->scan({.index = "i", .start = ten.start, .end = ten.end}))), "10@a 10@c ");
  for (bool reverse : {false, true}) {
    std::string text;
    IndexScanRequest request{.index = "i", .limit = 2, .reverse = reverse};
    for (;;) {
      IndexScanReply part = must(machine_->scan(request));
      EXPECT_LE(part.entries.size(), 2u);
      text += text_of(part);
      if (!part.more) break;
      (reverse ? request.end : request.start) = part.continuation;
    }
    EXPECT_EQ(text, reverse ? "11@e 10@c 10@a 9@e 9@b x@d " : "x@d 9@b 9@e 10@a 10@c 11@e ");
  }
}

// A value and a key, one after the other, must not look like another value and key.
TEST_F(IndexTest, KeysWithAnyBytesAreNotTakenForValues) {
  done(create("i", "", "json:"));
  build();
  put(Bytes("\xff\0k", 3), R"("a")");
  put("k", R"("a\u0000")");
  put(Bytes("\0", 1), R"("a")");
  IndexScanReply reply = must(machine_->scan({.index = "i"}));
  ASSERT_EQ(reply.entries.size(), 3u);
  EXPECT_EQ(reply.entries[0].key, Bytes("\0", 1));
  EXPECT_EQ(reply.entries[1].key, Bytes("\xff\0k", 3));
  EXPECT_EQ(reply.entries[2].key, "k");
  KeyRange a = must(tuple_range({"a"}));
  EXPECT_EQ(must(machine_->scan({.index = "i", .start = a.start, .end = a.end})).entries.size(), 2u);
}

TEST_F(IndexTest, IsBuiltInStepsWhileOthersWrite) {
  for (size_t i = 0; i < 3 * limits::kIndexStepRows; ++i) put(fmt::format("k{:05}", i), "1");
  done(create("i", "k", "json:"));
  EXPECT_EQ(done(step()), 1u);
  EXPECT_EQ(machine_->indexes().find("i")->records, limits::kIndexStepRows);
  put("k00001", "2");  // was looked at
  put("k00002a", "2");
  erase("k00003");
  put("k01400", "2");  // was not
  put("k01401a", "2");
  erase("k01402");
  put("k99999", "2");
  EXPECT_EQ(rows(*store_, layout::RowKind::index_entry), limits::kIndexStepRows);
  build();
  KeyRange two = must(tuple_range({2}));
  EXPECT_EQ(text_of(must(machine_->scan({.index = "i", .start = two.start, .end = two.end}))),
            "2@k00001 2@k00002a 2@k01400 2@k01401a 2@k99999 ");
  EXPECT_EQ(rows(*store_, layout::RowKind::index_entry), 3 * limits::kIndexStepRows + 1);
}

TEST_F(IndexTest, WhatIsDroppedIsErasedInSteps) {
  done(create("i", "", "json:"));
  build();
  for (size_t i = 0; i <= 2 * limits::kIndexStepRows; ++i) put(fmt::format("k{:05}", i), "1");
  EXPECT_EQ(done(drop("i")), 1u);
  EXPECT_EQ(code_of(machine_->scan({.index = "i"})), Code::NOT_FOUND);
  EXPECT_EQ(refusal(drop("i")).to_string(), "NOT_FOUND: there is no index \"i\"");
  done(create("i", "k00001", "json:"));
  EXPECT_EQ(done(step()), 2u);
  put("k00001", "2");
  erase("k00002");
  EXPECT_EQ(rows(*store_, layout::RowKind::index_entry), limits::kIndexStepRows + 1);
  build();
  EXPECT_EQ(all("i"), "2@k00001 ");
  EXPECT_EQ(rows(*store_, layout::RowKind::index_entry), 1u);
  EXPECT_EQ(rows(*store_, layout::RowKind::index), 1u);
}

TEST_F(IndexTest, WhatIsRefusedLeavesNothingBehind) {
  done(create("i", "", "json:"));
  build();
  put("a", "1");
  done({.kind = Command::Kind::quota_set, .keys_max = 1});
  EXPECT_EQ(log_.refusal(*machine_, write({kv::put("a", "2"), kv::put("b", "3")})), Code::QUOTA_EXCEEDED);
  EXPECT_EQ(log_.refusal(*machine_, write({kv::put("a", "2"), kv::put("b", "3", 99)})), Code::NOT_FOUND);
  EXPECT_EQ(all("i"), "1@a ");
  EXPECT_EQ(rows(*store_, layout::RowKind::index_entry), 1u);
}

TEST_F(IndexTest, ALeaseTakesItsKeysOutOfTheIndex) {
  done(create("i", "", "json:"));
  build();
  const LeaseId lease = done({.kind = Command::Kind::lease_grant, .ttl = kSecond});
  put("a", "1", lease);
  put("b", "2", lease);
  put("c", "3");
  EXPECT_EQ(all("i"), "1@a 2@b 3@c ");
  done({.kind = Command::Kind::leases_expire, .leases = {lease}});
  EXPECT_EQ(all("i"), "3@c ");
}

TEST_F(IndexTest, HasLimits) {
  done(create("a", "k", "json:"));
  EXPECT_EQ(refusal(create("a", "z", "value")).to_string(),
            "ALREADY_EXISTS: there is an index \"a\"; drop it or take another name");
  done(create("b", "", "json:"));
  done(create("c", "kk", "json:"));
  done(create("d", "k", "value"));
  EXPECT_EQ(refusal(create("e", "kkk", "json:")).to_string(),
            "LIMIT_EXCEEDED: some keys would be under more than 4 indexes; drop one");
  EXPECT_EQ(refusal(create("e", "", "json:")).code, Code::LIMIT_EXCEEDED);
  done(create("e", "j", "json:"));
  for (size_t i = 5; i < limits::kIndexesMax; ++i)
    done(create(fmt::format("x{}", i), fmt::format("{:03}", i), "value"));
  EXPECT_EQ(refusal(create("one more", "y", "json:")).to_string(),
            "LIMIT_EXCEEDED: there are 64 indexes, those being dropped counted; at most 64");
  EXPECT_EQ(refusal(create("", "y", "json:")).code, Code::INVALID_ARGUMENT);
  EXPECT_EQ(refusal(create("\xff", "y", "json:")).code, Code::INVALID_ARGUMENT);
  EXPECT_EQ(refusal(create("f", "y", "yaml:")).code, Code::INVALID_ARGUMENT);
  EXPECT_EQ(code_of(validate(create(Bytes(256, 'x'), "y", "json:"))), Code::LIMIT_EXCEEDED);
  EXPECT_EQ(code_of(validate(create("x", Bytes(limits::kKeyBytesMax + 1, 'x'), "json:"))),
            Code::LIMIT_EXCEEDED);
}

TEST_F(IndexTest, TheLongestEntriesGoThroughASnapshot) {
  done(create("i", "", "json:"));
  build();
  put(Bytes(limits::kKeyBytesMax, '\0'), '"' + Bytes(limits::kIndexValueBytesMax - 2, 'x') + '"');
  auto other = open_machine();
  ASSERT_TRUE(restore_from(*other, log_.meta(), chunks_of(*machine_)));
  EXPECT_EQ(must(other->fingerprint()), must(machine_->fingerprint()));
  IndexScanReply reply = must(other->scan({.index = "i"}));
  ASSERT_EQ(reply.entries.size(), 1u);
  EXPECT_EQ(reply.entries[0].key, Bytes(limits::kKeyBytesMax, '\0'));
  EXPECT_EQ(decode_index_scan_reply(encode(reply)), reply);
}

// Where a step goes on is cut to what a row has room for, in the middle of what these entries have in common.
TEST_F(IndexTest, EntriesThatAreLongerThanACursorAreErasedInSteps) {
  done(create("i", "", "json:"));
  build();
  const Bytes value = '"' + Bytes(900, 'v') + '"';
  const Bytes common(limits::kKeyBytesMax - 5, 'k');
  for (size_t i = 0; i < 2 * limits::kIndexStepRows + 1; ++i) put(common + fmt::format("{:05}", i), value);
  put("other", "\"z\"");
  EXPECT_EQ(rows(*store_, layout::RowKind::index_entry), 2 * limits::kIndexStepRows + 2);
  done(drop("i"));
  EXPECT_EQ(done(step()), 1u);
  EXPECT_EQ(machine_->indexes().all().at(0).cursor.size(), kBoundBytesMax);
  EXPECT_EQ(rows(*store_, layout::RowKind::index_entry), limits::kIndexStepRows + 2);
  // Also from a snapshot in the middle.
  auto other = open_machine();
  ASSERT_TRUE(restore_from(*other, log_.meta(), chunks_of(*machine_)));
  build();
  log_.apply(*other);
  EXPECT_EQ(rows(*store_, layout::RowKind::index_entry), 0u);
  EXPECT_EQ(rows(*store_, layout::RowKind::index), 0u);
  EXPECT_EQ(must(other->fingerprint()), must(machine_->fingerprint()));
}

TEST_F(IndexTest, AStateOfAFormatBeforeIsTakenOver) {
  auto owned = store::open_memory();
  store::Store& store = *owned;
  store::Batch batch;
  Bytes head = encode(layout::Head{});
  head[0] = 2;
  batch.put(layout::head_key(), head);
  batch.put(layout::progress_key(1), encode(layout::Progress{}));
  ASSERT_TRUE(store.write(std::move(batch), store::Sync::yes));
  machine_ = open_machine(std::move(owned));
  EXPECT_EQ(must(layout::decode_head(*must(store.get(layout::head_key())))).version, 4u);
  head[0] = 1;
  EXPECT_EQ(layout::decode_head(head).error().to_string(),
            "UNSUPPORTED: the key-value state has format version 1; this build reads 2 to 4");
}

// --- random logs ---

using Entries = std::vector<std::pair<Bytes, Bytes>>;  // value, key

// What the records say that an index must hold.
Entries entries_of(const Index& index, const TestModel::State& records) {
  Entries entries;
  const Extractor extractor = must(Extractor::parse(index.extractor));
  for (const auto& [key, record] : records) {
    const bool in = index.state == Index::State::ready || key < index.cursor;
    if (!key.starts_with(index.prefix) || !in) continue;
    for (Bytes& value : extractor.extract(record.value)) entries.emplace_back(std::move(value), key);
  }
  std::ranges::sort(entries);
  return entries;
}

// The rows of all entries there are, by index.
std::map<uint64_t, Entries> stored_entries(const store::Reader& store) {
  std::map<uint64_t, Entries> stored;
  auto it = store.iterate();
  for (it->seek(layout::generation_prefix(1)); it->valid(); it->next()) {
    auto name = must(layout::parse_row_name(it->key().substr(layout::kGenerationBytes)));
    if (name.kind != layout::RowKind::index_entry) continue;
    IndexEntryView entry = must(parse_index_entry(name.key));
    stored[name.number].emplace_back(Bytes(entry.value), entry.key);
  }
  return stored;
}

class RandomIndexes {
 public:
  explicit RandomIndexes(uint64_t seed) : programs_(seed) { open(); }

  // With more than a step's records, an index is being built for a while.
  void run(size_t commands, size_t records) {
    std::vector<Op> ops;
    for (size_t i = 0; i < records; ++i)
      ops.push_back(kv::put("b" + std::to_string(i), std::to_string(i % 7)));
    apply({write(std::move(ops))});
    while (commands > 0 && !testing::Test::HasFailure()) {
      const size_t span = std::min<size_t>(commands, 1 + programs_.below(7));
      commands -= span;
      std::vector<Command> list;
      for (size_t i = 0; i < span; ++i) list.push_back(command(log_.last_index() + i));
      apply(list);
      check();
      if (programs_.below(20) == 0) restore();
    }
  }

  const TestLog& log() const { return log_; }
  StateMachine& machine() { return *machine_; }
  size_t scans() const { return scans_; }

 private:
  void open() {
    auto owned = store::open_memory();
    store_ = owned.get();
    machine_ = open_machine(std::move(owned));
  }

  Command command(uint64_t latest) {
    switch (programs_.below(12)) {
      case 0:
        return create(name(), programs_.below(3) == 0 ? Bytes() : Bytes(1, "abcd"[programs_.below(4)]),
                      extractor());
      case 1:
        return drop(name());
      case 2:
      case 3:
      case 4:
        return step();
      case 5:
        return write({kv::put("b" + std::to_string(programs_.below(700)), programs_.value())});
      case 6:
        return write({kv::erase("b" + std::to_string(programs_.below(700)))});
      default:
        return programs_.command(latest);
    }
  }
  Bytes name() { return "i" + std::to_string(programs_.below(4)); }
  Bytes extractor() {
    return programs_.below(3) == 0 ? "value" : programs_.below(2) == 0 ? "json:" : "number:";
  }

  void apply(const std::vector<Command>& commands) {
    std::vector<std::optional<Result<Bytes>>> expected;
    for (const Command& command : commands) {
      log_.append(command);
      const bool of_index = command.kind >= Command::Kind::index_create;
      Result<Bytes> reply = model_.run(command, log_.last_index());
      expected.push_back(of_index ? std::nullopt : std::optional(std::move(reply)));
    }
    auto replies = log_.apply(*machine_);
    for (size_t i = 0; i < commands.size(); ++i) {
      if (expected[i] && *expected[i]) {
        EXPECT_EQ(replies[i], **expected[i]);
      }
    }
  }

  void check() {
    EXPECT_EQ(must(machine_->range({})).entries, TestModel::range(model_.now, {}).entries);
    auto stored = stored_entries(*store_);
    for (const Index& index : machine_->indexes().all()) {
      SCOPED_TRACE(fmt::format("after {}: index {} over {} by {}", log_.last_index(), index.id, index.prefix,
                               index.extractor));
      auto found = stored.extract(index.id);
      if (index.state == Index::State::dropping) continue;
      const Entries expected = entries_of(index, model_.now);
      EXPECT_EQ(found ? found.mapped() : Entries(), expected);
      if (index.state == Index::State::ready) check_scan(index, expected);
    }
    EXPECT_TRUE(stored.empty()) << "entries of no index";
  }

  void check_scan(const Index& index, const Entries& expected) {
    IndexScanReply reply = must(machine_->scan({.index = index.name}));
    ASSERT_EQ(reply.entries.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(reply.entries[i].value, expected[i].first);
      EXPECT_EQ(reply.entries[i].key, expected[i].second);
      EXPECT_EQ(reply.entries[i].record, model_.now.at(expected[i].second));
    }
    ++scans_;
  }

  void restore() {
    auto chunks = chunks_of(*machine_);
    const Bytes before = must(machine_->fingerprint());
    open();
    ASSERT_TRUE(restore_from(*machine_, log_.meta(), chunks));
    EXPECT_EQ(must(machine_->fingerprint()), before);
  }

  TestPrograms programs_;
  TestModel model_;
  TestLog log_;
  store::Store* store_ = nullptr;
  std::unique_ptr<StateMachine> machine_;
  size_t scans_ = 0;
};

TEST(RandomIndexes, AgreeWithTheRecordsAtEveryMoment) {
  size_t scans = 0;
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    SCOPED_TRACE(seed);
    RandomIndexes run(seed);
    const bool large = seed % 4 == 0;
    run.run(large ? 100 : 300, large ? limits::kIndexStepRows + 100 : 0);
    if (testing::Test::HasFailure()) return;
    scans += run.scans();
    for (size_t span : {1, 1000}) {
      auto other = open_machine();
      run.log().apply(*other, span);
      EXPECT_EQ(must(other->fingerprint()), must(run.machine().fingerprint())) << "span " << span;
    }
  }
  EXPECT_GT(scans, 1000u);
}

}  // namespace
}  // namespace aspen::kv
