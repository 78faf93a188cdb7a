// The logs of several groups in one journal: what comes back after a restart, what a crash may take, what may
// go, and what is found to be wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "core/journal/memory_directory.h"
#include "core/journal/scanner.h"
#include "core/raft/log_journal.h"
#include "core/raft/test_node.h"

namespace aspen::raft {
namespace {

using journal::MemoryDirectory;
using testing::entry;
using ::testing::HasSubstr;
using testing::voters;

constexpr size_t kSmallSegment = 2 * journal::kSegmentHeaderBytes;

uint64_t lose_all(uint64_t) {
  return 0;
}

std::vector<Bytes> data_of(const Durable& durable) {
  std::vector<Bytes> out;
  for (const EntryPtr& e : durable.entries) out.push_back(e->data);
  return out;
}

class LogStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  Result<> try_open() {
    logs_.reset();
    ASPEN_TRY(logs_,
              LogJournal::open(disk_, {.random = [this] { return random_(); }, .segment_bytes = segment_}));
    return {};
  }
  void open() {
    auto opened = try_open();
    ASSERT_TRUE(opened) << opened.error().to_string();
  }
  // After a power cut that takes what was not synced.
  void cut_power() {
    disk_.crash(lose_all);
    open();
  }
  Result<> try_write(GroupId group, std::vector<LogWrite> writes) {
    if (!logs_->peer(group)) ASPEN_CHECK(logs_->create(group, group + 10));
    LogJournal::Batch batch{.group = group, .writes = std::move(writes)};
    return logs_->write(std::span(&batch, 1));
  }
  void write(GroupId group, LogWrite write) {
    std::vector<LogWrite> writes;
    writes.push_back(std::move(write));
    auto written = try_write(group, std::move(writes));
    ASSERT_TRUE(written) << written.error().to_string();
  }
  Durable load(GroupId group) {
    auto durable = logs_->load(group);
    EXPECT_TRUE(durable) << durable.error().to_string();
    return durable ? *std::move(durable) : Durable();
  }
  std::string open_error() {
    auto opened = try_open();
    if (opened) return "";
    EXPECT_EQ(opened.error().code, Code::CORRUPT);
    return opened.error().message;
  }
  void fill(GroupId group) {
    write(group,
          {.hard_state = HardState{3, 5}, .entries = {entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 3, "c")}});
  }
  // A record as it would have been written.
  void append_raw(GroupId group, Bytes payload) {
    logs_.reset();
    auto journal =
        *journal::Journal::open(disk_, {.random = [this] { return random_(); }, .segment_bytes = segment_});
    journal::Record record{.user = group, .payload = payload};
    ASSERT_TRUE(journal->append(std::span(&record, 1)));
    ASSERT_TRUE(journal->close());
  }

  // In the records of the first segment, with checksums that are right.
  void replace_in_frame(BytesView from, BytesView to) {
    const std::string name = "0000000000000001.journal";
    Bytes segment = disk_.files().at(name);
    journal::SegmentHeader header = *journal::decode_segment_header(segment, name);
    for (journal::Scanner scanner(header);;) {
      auto step = scanner.step(BytesView(segment).substr(scanner.offset()), segment.size());
      ASSERT_EQ(step.kind, journal::Scanner::Step::Kind::frame);
      size_t at = step.frame.body.find(from);
      if (at == BytesView::npos) continue;
      Bytes body(step.frame.body);
      body.replace(at, from.size(), to);
      std::vector<journal::Record> records;
      journal::RecordReader reader(body, step.frame.header.records);
      while (auto record = reader.next()) records.push_back(*record);
      Bytes frame;
      append_frame(frame, {.salt = header.salt, .offset = step.frame.offset}, step.frame.header, records);
      ASSERT_TRUE((*disk_.open(name))->write_synced(step.frame.offset, frame));
      return;
    }
  }

  MemoryDirectory disk_;
  std::mt19937_64 random_{1};
  size_t segment_ = kSmallSegment;
  std::unique_ptr<LogJournal> logs_;
};

TEST_F(LogStoreTest, ANewLogIsEmptyAndKeepsItsPeer) {
  EXPECT_TRUE(logs_->groups().empty());
  ASSERT_TRUE(logs_->create(7, 11));
  cut_power();
  EXPECT_EQ(logs_->groups(), std::vector<GroupId>{7});
  EXPECT_EQ(logs_->peer(7), 11u);
  EXPECT_EQ(logs_->peer(8), std::nullopt);
  Durable durable = load(7);
  EXPECT_EQ(durable.hard_state, HardState{});
  EXPECT_EQ(durable.snapshot, SnapshotMeta{});
  EXPECT_TRUE(durable.entries.empty());
}

TEST_F(LogStoreTest, WhatIsWrittenIsLoaded) {
  fill(7);
  for (int i = 0; i < 2; ++i) {
    Durable durable = load(7);
    EXPECT_EQ(durable.hard_state, (HardState{3, 5}));
    EXPECT_EQ(data_of(durable), (std::vector<Bytes>{"a", "b", "c"}));
    EXPECT_EQ(durable.entries[2]->index, 3u);
    EXPECT_EQ(durable.entries[2]->term, 3u);
    cut_power();
  }
}

TEST_F(LogStoreTest, WritesOfABatchApplyInOrder) {
  std::vector<LogWrite> writes(3);
  writes[0] = {.hard_state = HardState{1, 0},
               .entries = {entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 1, "c")}};
  writes[1] = {.hard_state = HardState{2, 0}, .truncate_from = 2, .entries = {entry(2, 2, "B")}};
  writes[2] = {.entries = {entry(3, 2, "C"), entry(4, 2, "D")}};
  ASSERT_TRUE(try_write(1, std::move(writes)));
  cut_power();
  EXPECT_EQ(data_of(load(1)), (std::vector<Bytes>{"a", "B", "C", "D"}));
  EXPECT_EQ(load(1).hard_state.term, 2u);
}

TEST_F(LogStoreTest, WhatIsTruncatedIsGone) {
  fill(1);
  write(1, {.hard_state = HardState{4, 0}, .truncate_from = 2});
  EXPECT_EQ(data_of(load(1)), std::vector<Bytes>{"a"});
  cut_power();
  EXPECT_EQ(data_of(load(1)), std::vector<Bytes>{"a"});
  write(1, {.entries = {entry(2, 4, "B")}});
  cut_power();
  EXPECT_EQ(data_of(load(1)), (std::vector<Bytes>{"a", "B"}));
}

TEST_F(LogStoreTest, CompactsAndResets) {
  fill(1);
  SnapshotMeta meta{.index = 2, .term = 1, .config = voters({1}), .time = 4};
  write(1, {.compact = meta});
  cut_power();
  Durable durable = load(1);
  EXPECT_EQ(durable.snapshot, meta);
  EXPECT_EQ(data_of(durable), std::vector<Bytes>{"c"});

  meta = {.index = 40, .term = 3, .config = voters({1, 2}), .time = 9};
  write(1, {.reset = meta});
  cut_power();
  durable = load(1);
  EXPECT_EQ(durable.snapshot, meta);
  EXPECT_TRUE(durable.entries.empty());
  EXPECT_EQ(durable.hard_state, (HardState{3, 5}));
  EXPECT_EQ(logs_->peer(1), 11u);
  write(1, {.entries = {entry(41, 3, "z")}});
  cut_power();
  EXPECT_EQ(data_of(load(1)), std::vector<Bytes>{"z"});
}

TEST_F(LogStoreTest, AnEntryMayBeLargerThanASegment) {
  Bytes large(5 * kSmallSegment + 17, 'x');
  write(1,
        {.hard_state = HardState{1, 0}, .entries = {entry(1, 1, "a"), entry(2, 1, large), entry(3, 1, "c")}});
  cut_power();
  EXPECT_EQ(data_of(load(1)), (std::vector<Bytes>{"a", large, "c"}));
  EXPECT_TRUE(logs_->verify(1u << 20));
}

TEST_F(LogStoreTest, GroupsShareAnAppendAndASync) {
  for (GroupId group = 1; group <= 5; ++group) fill(group);
  std::vector<LogJournal::Batch> batches;
  for (GroupId group = 1; group <= 5; ++group) {
    batches.push_back({.group = group, .writes = {}});
    batches.back().writes.push_back({.entries = {entry(4, 3, fmt::format("of {}", group))}});
  }
  journal::Stats before = logs_->stats();
  ASSERT_TRUE(logs_->write(batches));
  EXPECT_EQ(logs_->stats().appends, before.appends + 1);
  EXPECT_EQ(logs_->stats().syncs, before.syncs + 1);
  cut_power();
  for (GroupId group = 1; group <= 5; ++group) {
    EXPECT_EQ(data_of(load(group)), (std::vector<Bytes>{"a", "b", "c", fmt::format("of {}", group)}));
  }
}

TEST_F(LogStoreTest, OldSegmentsGoWhenNoGroupNeedsThem) {
  write(1, {.hard_state = HardState{1, 0}});
  for (Index i = 1; i <= 300; ++i) {
    write(1, {.entries = {entry(i, 1, Bytes(100, 'x'))}});
    if (i % 10 == 0) write(1, {.compact = SnapshotMeta{.index = i - 5, .term = 1, .config = voters({1})}});
    EXPECT_LE(logs_->segments(), 3u);
  }
  EXPECT_GT(logs_->stats().segments_reclaimed, 5u);
  cut_power();
  EXPECT_EQ(load(1).entries.size(), 5u);
  EXPECT_EQ(load(1).snapshot.index, 295u);
}

// Nothing happens in groups 2 and 3, one with entries and one without; their records move out of the way.
TEST_F(LogStoreTest, AnIdleGroupPinsNothing) {
  write(2, {.hard_state = HardState{7, 3}});
  fill(3);
  write(1, {.hard_state = HardState{1, 0}});
  for (Index i = 1; i <= 600; ++i) {
    write(1, {.entries = {entry(i, 1, Bytes(100, 'x'))}});
    if (i % 10 == 0) write(1, {.compact = SnapshotMeta{.index = i - 5, .term = 1, .config = voters({1})}});
    ASSERT_LE(logs_->segments(), limits::kLogsDeadSegmentsMax + 3);
  }
  EXPECT_GT(logs_->stats().segments_reclaimed, 5u);
  cut_power();
  EXPECT_EQ(load(2).hard_state, (HardState{7, 3}));
  EXPECT_EQ(load(3).hard_state, (HardState{3, 5}));
  EXPECT_EQ(data_of(load(3)), (std::vector<Bytes>{"a", "b", "c"}));
  EXPECT_EQ(logs_->peer(3), 13u);
  write(3, {.entries = {entry(4, 3, "d")}});
  cut_power();
  EXPECT_EQ(data_of(load(3)), (std::vector<Bytes>{"a", "b", "c", "d"}));
  EXPECT_TRUE(logs_->verify(1u << 20));
}

TEST_F(LogStoreTest, ACopyWithoutItsEndCountsForNothing) {
  fill(1);
  LogRecord whole{.kind = LogRecord::Kind::whole, .peer = 11, .copies = 3};
  append_raw(1, encode(whole));
  Entry first = *entry(1, 1, "a");
  append_raw(1, encode_log_entry(LogRecord::Kind::copy, chain_after(0, first), first));
  open();
  EXPECT_EQ(data_of(load(1)), (std::vector<Bytes>{"a", "b", "c"}));
  write(1, {.truncate_from = 3, .entries = {entry(3, 3, "C")}});
  cut_power();
  EXPECT_EQ(data_of(load(1)), (std::vector<Bytes>{"a", "b", "C"}));
}

TEST_F(LogStoreTest, AFailureStopsAllWrites) {
  fill(1);
  disk_.before = [](journal::Operation operation, const std::string&) {
    return operation == journal::Operation::sync ? journal::Fault::fail : journal::Fault::none;
  };
  EXPECT_FALSE(try_write(1, std::vector<LogWrite>(1, {.hard_state = HardState{9, 0}})));
  disk_.before = nullptr;
  auto later = try_write(1, std::vector<LogWrite>(1, {.hard_state = HardState{10, 0}}));
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, Code::IO);
  EXPECT_FALSE(logs_->maintain());
  open();
  EXPECT_TRUE(try_write(1, std::vector<LogWrite>(1, {.hard_state = HardState{10, 0}})));
}

// Else its groups would wait for room and never find out.
TEST_F(LogStoreTest, AMarkThatFailsIsNoMatterOfRoom) {
  fill(1);
  disk_.before = [](journal::Operation operation, const std::string&) {
    return operation == journal::Operation::write ? journal::Fault::fail : journal::Fault::none;
  };
  EXPECT_FALSE(logs_->maintain());
  EXPECT_FALSE(logs_->short_of_room());
  disk_.before = nullptr;
  EXPECT_FALSE(try_write(1, std::vector<LogWrite>(1, {.hard_state = HardState{9, 0}})));
}

TEST_F(LogStoreTest, AFullDiskIsKnownWhileThereIsRoomForVotes) {
  write(1, {.hard_state = HardState{1, 0}});
  disk_.bytes_max = disk_.bytes_used();
  Index last = 0;
  while (!logs_->short_of_room()) {
    ASSERT_LT(last, 100u);
    write(1, {.entries = {entry(++last, 1, Bytes(100, 'x'))}});
    ASSERT_TRUE(logs_->maintain());
  }
  for (Term term = 2; term < 22; ++term) write(1, {.hard_state = HardState{term, 0}});
  disk_.bytes_max = ~uint64_t{0};
  while (*logs_->maintain()) continue;
  EXPECT_FALSE(logs_->short_of_room());
  cut_power();
  EXPECT_EQ(load(1).hard_state.term, 21u);
  EXPECT_EQ(load(1).entries.size(), last);
}

TEST_F(LogStoreTest, AFullDiskStopsTheLogsWhenTheRoomIsUsedUp) {
  write(1, {.hard_state = HardState{1, 0}});
  disk_.bytes_max = disk_.bytes_used();
  Result<> written;
  Index last = 0;
  while (written) {
    written = try_write(1, std::vector<LogWrite>(1, {.entries = {entry(++last, 1, Bytes(100, 'x'))}}));
  }
  EXPECT_EQ(written.error().code, Code::IO);
  EXPECT_THAT(written.error().message, HasSubstr("full"));
  disk_.bytes_max = ~uint64_t{0};
  cut_power();
  EXPECT_EQ(load(1).entries.size(), last - 1);
}

TEST_F(LogStoreTest, DamageIsNamed) {
  fill(1);
  Entry fourth = *entry(4, 3, "d");
  append_raw(1, encode_log_entry(LogRecord::Kind::entry, 123, fourth));
  std::string error = open_error();
  EXPECT_THAT(error, HasSubstr("group 1"));
  EXPECT_THAT(error, HasSubstr("entry 4"));
  EXPECT_THAT(error, HasSubstr("0000000000000001.journal"));
  disk_.clear();
  open();
  fill(1);
  append_raw(1, encode_log_entry(LogRecord::Kind::entry, 123, *entry(5, 3, "e")));
  EXPECT_THAT(open_error(), HasSubstr("entry 5 is written after entry 3"));
  disk_.clear();
  open();
  append_raw(2, encode_log_entry(LogRecord::Kind::entry, 123, fourth));
  EXPECT_THAT(open_error(), HasSubstr("beginning is missing"));
  disk_.clear();
  open();
  append_raw(2, encode({.kind = LogRecord::Kind::whole, .peer = 5}));
  append_raw(2, encode_log_entry(LogRecord::Kind::entry, chain_after(0, fourth), fourth));
  EXPECT_THAT(open_error(), HasSubstr("entry 1 is missing"));
  disk_.clear();
  open();
  fill(1);
  append_raw(1, "");
  EXPECT_THAT(open_error(), HasSubstr("empty record"));
  disk_.clear();
  open();
  Entry first = *entry(1, 4, "a");
  append_raw(2, encode({.kind = LogRecord::Kind::whole, .peer = 5}));
  append_raw(2, encode_log_entry(LogRecord::Kind::entry, chain_after(0, first), first));
  EXPECT_THAT(open_error(), HasSubstr("entry 1 has term 4"));
}

TEST_F(LogStoreTest, AnotherFormatVersionIsRefused) {
  Bytes record = encode({.kind = LogRecord::Kind::whole, .peer = 5});
  record[1] = 9;
  append_raw(1, record);
  auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::UNSUPPORTED);
  EXPECT_THAT(opened.error().message, HasSubstr("format 9; this build reads format 1"));
}

TEST_F(LogStoreTest, DamageIsFoundWhileItRuns) {
  for (Index i = 1; i <= 60; ++i) {
    write(1, {.hard_state = HardState{1, i}, .entries = {entry(i, 1, Bytes(200, 'x'))}});
  }
  ASSERT_TRUE(logs_->maintain());
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(logs_->verify(1000));
  disk_.flip("0000000000000001.journal", 5000, 1);
  Result<bool> verified = true;
  for (int i = 0; i < 40 && verified; ++i) verified = logs_->verify(1000);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code, Code::CORRUPT);
  EXPECT_THAT(verified.error().message, HasSubstr("0000000000000001.journal"));
}

// Every checksum of the journal is right: only the chain tells.
TEST_F(LogStoreTest, AnEntryThatIsNotTheOneThatWasWrittenIsFound) {
  write(1, {.hard_state = HardState{1, 0}, .entries = {entry(1, 1, "first"), entry(2, 1, "second")}});
  write(1, {.hard_state = HardState{1, 1}});
  ASSERT_TRUE(logs_->verify(1u << 20));
  ASSERT_TRUE(logs_->verify(1u << 20));
  replace_in_frame("second", "SECOND");
  auto verified = logs_->verify(1u << 20);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code, Code::CORRUPT);
  EXPECT_THAT(verified.error().message, HasSubstr("group 1: entry 2 in 0000000000000001.journal"));
  EXPECT_THAT(open_error(), HasSubstr("group 1: entry 2 in 0000000000000001.journal"));
}

// Logs that are written, synced, compacted and crashed at random, by a seed, against a model of each.
class RandomLogs {
 public:
  explicit RandomLogs(uint64_t seed) : random_(seed) { reopen(); }

  void step() {
    switch (below(12)) {
      case 0:
        return reopen();
      case 1: {
        uint64_t bias = below(3);
        disk_.crash([&](uint64_t n) { return bias == 0 ? 0 : bias == 1 ? n - 1 : below(n); });
        return reopen();
      }
      case 2:
        (void)logs_->maintain();
        if (auto verified = logs_->verify(4096); !verified) {
          EXPECT_EQ(verified.error().code, Code::IO) << verified.error().to_string();
          reopen();
        }
        return;
      case 3:
        countdown_ = 1 + below(20);
        return;
      default:
        return write();
    }
  }

 private:
  struct Model {
    HardState hard_state;
    SnapshotMeta snapshot;
    std::vector<EntryPtr> entries;
    bool operator==(const Durable& durable) const {
      auto same = [](const EntryPtr& a, const EntryPtr& b) { return *a == *b; };
      return hard_state == durable.hard_state && snapshot == durable.snapshot &&
             std::ranges::equal(entries, durable.entries, same);
    }
  };

  uint64_t below(uint64_t n) { return random_() % n; }
  static void check(const Result<>& result) { ASSERT_TRUE(result) << result.error().to_string(); }

  // One write, and every state of the log that a crash within it may leave.
  LogWrite draw(Model& model, std::vector<Model>& states) {
    LogWrite write;
    Index last = model.snapshot.index + model.entries.size();
    if (below(3) == 0) {
      write.hard_state = HardState{model.hard_state.term + below(2), below(4)};
      model.hard_state = *write.hard_state;
      states.push_back(model);
    }
    if (!model.entries.empty() && below(5) == 0) {
      write.truncate_from = model.snapshot.index + 1 + below(model.entries.size());
      last = write.truncate_from - 1;
      model.entries.resize(last - model.snapshot.index);
      states.push_back(model);
    }
    for (uint64_t n = below(4); n > 0; --n) {
      write.entries.push_back(
          entry(++last, model.hard_state.term, Bytes(below(10) == 0 ? below(12'000) : below(200), 'x')));
      model.entries.push_back(write.entries.back());
      states.push_back(model);
    }
    if (!model.entries.empty() && below(4) == 0) {
      size_t count = 1 + below(model.entries.size());
      const Entry& at = *model.entries[count - 1];
      write.compact = model.snapshot = {.index = at.index, .term = at.term, .config = voters({1})};
      model.entries.erase(model.entries.begin(), model.entries.begin() + static_cast<ptrdiff_t>(count));
      states.push_back(model);
    } else if (below(30) == 0) {
      write.reset = model.snapshot = {
          .index = last + 1 + below(50), .term = model.hard_state.term, .config = voters({1})};
      model.entries.clear();
      states.push_back(model);
    }
    return write;
  }

  void write() {
    std::vector<LogJournal::Batch> batches;
    std::map<GroupId, Model> after = models_;
    for (GroupId group = 1; group <= 3; ++group) {
      if (below(2) == 0) continue;
      batches.push_back({.group = group, .writes = {}});
      for (uint64_t n = 1 + below(2); n > 0; --n) {
        batches.back().writes.push_back(draw(after[group], states_[group]));
      }
    }
    bool written = logs_->write(batches).has_value();
    models_ = std::move(after);
    if (!written) return reopen();
    for (auto& [group, states] : states_) states.assign(1, models_[group]);
  }

  void reopen() {
    countdown_ = 0;
    logs_.reset();
    if (dead_) disk_.crash([this](uint64_t n) { return below(n); });
    dead_ = false;
    disk_.before = [this](journal::Operation, const std::string&) {
      if (countdown_ == 0 || --countdown_ > 0) return journal::Fault::none;
      dead_ = below(2) == 0;
      return dead_ ? journal::Fault::die : journal::Fault::fail;
    };
    auto logs =
        LogJournal::open(disk_, {.random = [this] { return random_(); }, .segment_bytes = kSmallSegment});
    ASSERT_TRUE(logs) << logs.error().to_string();
    logs_ = *std::move(logs);
    for (GroupId group = 1; group <= 3; ++group) {
      if (!logs_->peer(group)) check(logs_->create(group, group + 10));
      Result<Durable> durable = logs_->load(group);
      ASSERT_TRUE(durable) << durable.error().to_string();
      auto& states = states_[group];
      if (states.empty()) states.emplace_back();
      auto found = std::ranges::find_if(states, [&](const Model& model) { return model == *durable; });
      ASSERT_NE(found, states.end()) << "group " << group << " is what it never was";
      models_[group] = *found;
      states.assign(1, models_[group]);
      EXPECT_EQ(logs_->peer(group), group + 10);
    }
  }

  MemoryDirectory disk_;
  std::mt19937_64 random_;
  size_t countdown_ = 0;
  bool dead_ = false;
  std::unique_ptr<LogJournal> logs_;
  std::map<GroupId, Model> models_;
  std::map<GroupId, std::vector<Model>> states_;  // that a crash may leave
};

TEST(LogStoreCrash, EveryLogIsWhatItWasAfterSomeOfItsWrites) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    RandomLogs run(seed);
    for (int i = 0; i < 300 && !::testing::Test::HasFailure(); ++i) run.step();
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace aspen::raft
