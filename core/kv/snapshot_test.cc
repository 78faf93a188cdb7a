// Copies of the state, restores that are cut short anywhere, and crashes of the store below.
#include "core/kv/snapshot.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <thread>

#include "core/base/limits.h"
#include "core/kv/layout.h"
#include "core/kv/test_log.h"
#include "core/store/store_test_dir.h"

namespace aspen::kv {
namespace {

namespace fs = std::filesystem;

// Some of everything, and enough of it for several chunks.
void fill(TestLog& log, StateMachine& machine, int from = 0, int to = 60) {
  SessionId session = log.open(machine);
  for (int i = from; i < to; ++i) {
    Bytes key = "key" + std::to_string(i % 40);
    log.append(in_session(session, static_cast<uint64_t>(i), static_cast<uint64_t>(i / 2),
                          write({put(key, Bytes(30'000 + static_cast<size_t>(i), 'v'))})));
  }
  log.append(write({erase("key3")}));
  log.apply(machine);
}

// Rows of generations other than `generation`.
size_t foreign_rows(const store::Store& store, uint32_t generation) {
  size_t rows = 0;
  auto it = store.iterate();
  for (it->seek(layout::generation_prefix(1)); it->valid(); it->next()) {
    rows += it->key().starts_with(layout::generation_prefix(generation)) ? 0 : 1;
  }
  EXPECT_TRUE(it->status());
  return rows;
}

class SnapshotTest : public testing::Test {
 protected:
  void SetUp() override {
    fill(log_, *machine_);
    chunks_ = chunks_of(*machine_);
    ASSERT_GT(chunks_.size(), 4u);
  }

  TestLog log_;
  std::unique_ptr<StateMachine> machine_ = open_machine();
  std::vector<Bytes> chunks_;
};

TEST_F(SnapshotTest, ChunksAreAboutTheirSize) {
  for (size_t i = 0; i + 2 < chunks_.size(); ++i) {
    EXPECT_GE(chunks_[i].size(), limits::kSnapshotChunkBytes);
    EXPECT_LE(chunks_[i].size(), limits::kSnapshotChunkBytes + 40'000);
  }
  EXPECT_LT(chunks_.back().size(), 64u);
}

// Some of `count` chunks from `chunk` on, sought from wherever the source is.
std::vector<Bytes> chunks_from(raft::SnapshotSource& source, size_t chunk, size_t count) {
  uint64_t at = must(source.seek(chunk));
  EXPECT_LE(at, chunk);
  for (; at < chunk; ++at) EXPECT_NE(must(source.next()), "");
  std::vector<Bytes> chunks;
  while (chunks.size() < count) chunks.push_back(must(source.next()));
  return chunks;
}

TEST_F(SnapshotTest, GoesBackToAnyChunk) {
  chunks_.push_back("");  // after the last one
  auto source = must(machine_->snapshot());
  std::mt19937 random(1);
  for (int i = 0; i < 100; ++i) {
    size_t count = random() % 4;
    size_t chunk = random() % (chunks_.size() - count);
    auto begin = chunks_.begin() + static_cast<ptrdiff_t>(chunk);
    ASSERT_EQ(chunks_from(*source, chunk, count),
              std::vector<Bytes>(begin, begin + static_cast<ptrdiff_t>(count)));
  }
}

TEST(SnapshotSource, BeginsAnewForAChunkWhosePlaceItHasForgotten) {
  auto store = store::open_memory();
  store::Batch batch;
  for (int i = 0; i < 200; ++i) {
    batch.put(layout::generation_prefix(1) + '\1' + fmt::format("{:03}", i), "v");
  }
  ASSERT_TRUE(store->write(std::move(batch), store::Sync::no));
  SnapshotSource source(store->snapshot(), 1, 1);
  const std::vector<Bytes> all = chunks_from(source, 0, 201);
  EXPECT_EQ(must(source.next()), "");
  struct Case {
    size_t chunk, found;
  };
  for (auto [chunk, found] : {Case{150, 150}, Case{200, 151}, Case{2, 0}, Case{199, 3}, Case{0, 0}}) {
    EXPECT_EQ(must(source.seek(chunk)), found) << chunk;
    EXPECT_EQ(chunks_from(source, chunk, 1).at(0), all[chunk]);
  }
}

TEST_F(SnapshotTest, RestoresTheState) {
  TestLog other_log;
  auto other = open_machine();
  other_log.append(write({put("not in the snapshot", "v")}));
  other_log.apply(*other);
  EXPECT_EQ(other->restored(), std::nullopt);
  ASSERT_TRUE(restore_from(*other, log_.meta(), chunks_));
  EXPECT_EQ(other->applied(), machine_->applied());
  EXPECT_EQ(other->last_time(), machine_->last_time());
  EXPECT_EQ(other->restored(), log_.meta());
  EXPECT_EQ(must(other->fingerprint()), must(machine_->fingerprint()));
  EXPECT_EQ(must(other->range({})), must(machine_->range({})));
  EXPECT_EQ(must(other->get({"not in the snapshot"})).record, std::nullopt);
  // And it goes on like the original.
  fill(log_, *machine_, 60, 80);
  log_.apply(*other);
  EXPECT_EQ(must(other->fingerprint()), must(machine_->fingerprint()));
}

TEST_F(SnapshotTest, ASourceStaysAtItsState) {
  auto source = must(machine_->snapshot());
  std::vector<Bytes> chunks = {must(source->next())};
  fill(log_, *machine_, 60, 100);
  for (;;) {
    Bytes chunk = must(source->next());
    if (chunk.empty()) break;
    chunks.push_back(std::move(chunk));
  }
  EXPECT_EQ(must(source->next()), "");
  EXPECT_EQ(chunks, chunks_);
}

TEST_F(SnapshotTest, RefusesWhatIsNotWhole) {
  auto code = [&](const std::vector<Bytes>& chunks) {
    auto other = open_machine();
    auto before = must(other->fingerprint());
    auto restored = restore_from(*other, log_.meta(), chunks);
    EXPECT_EQ(other->applied(), restored ? log_.last_index() : 0);
    EXPECT_EQ(must(other->fingerprint()) == before, !restored);
    return code_of(restored);
  };
  EXPECT_EQ(code(chunks_), Code::OK);
  EXPECT_EQ(code({}), Code::CORRUPT);
  for (size_t i = 0; i < chunks_.size(); ++i) {
    auto cut = chunks_;
    cut.resize(i);
    EXPECT_EQ(code(cut), Code::CORRUPT) << "ends before chunk " << i;
    auto missing = chunks_;
    missing.erase(missing.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_EQ(code(missing), Code::CORRUPT) << "without chunk " << i;
    auto twice = chunks_;
    twice.insert(twice.begin() + static_cast<ptrdiff_t>(i), chunks_[i]);
    EXPECT_EQ(code(twice), Code::CORRUPT) << "chunk " << i << " twice";
    auto swapped = chunks_;
    std::swap(swapped[i], swapped[(i + 1) % chunks_.size()]);
    EXPECT_EQ(code(swapped), Code::CORRUPT) << "chunk " << i << " late";
    for (size_t at : {size_t(0), size_t(31), size_t(32), chunks_[i].size() / 2, chunks_[i].size() - 1}) {
      auto damaged = chunks_;
      damaged[i][std::min(at, damaged[i].size() - 1)] ^= 1;
      EXPECT_EQ(code(damaged), Code::CORRUPT) << "chunk " << i << ", byte " << at;
    }
    auto shorter = chunks_;
    shorter[i].pop_back();
    EXPECT_EQ(code(shorter), Code::CORRUPT);
  }
  auto other = open_machine();
  auto sink = must(other->restore(log_.meta()));
  for (const Bytes& chunk : chunks_) ASSERT_TRUE(sink->write(chunk));
  EXPECT_FALSE(sink->write(chunks_.back()));
  EXPECT_EQ(code_of(sink->finish()), Code::CORRUPT) << "after a chunk was refused";

  auto mixed = chunks_;
  fill(log_, *machine_, 60, 61);
  mixed.back() = chunks_of(*machine_).back();
  EXPECT_EQ(code(mixed), Code::CORRUPT) << "the end of another snapshot";
  EXPECT_EQ(code(chunks_), Code::CORRUPT) << "of an earlier index than the meta says";
}

// Chunks whose hashes are right, but made by somebody who does not know the format.
TEST_F(SnapshotTest, RefusesRowsThatAreNotRows) {
  auto stream = [&](const std::vector<std::pair<Bytes, Bytes>>& rows) {
    std::vector<Bytes> chunks;
    Hash previous{};
    auto seal = [&](bool last, BytesView encoded) {
      wire::Writer body;
      body.u64(chunks.size());
      body.boolean(last);
      body.u64(rows.size());
      body.fixed(encoded);
      previous = hash("aspen/kv/snapshot/2", {hash_view(previous), body.view()});
      chunks.push_back(Bytes(hash_view(previous)).append(body.view()));
    };
    wire::Writer encoded;
    for (auto& [key, value] : rows) {
      encoded.bytes(key);
      encoded.bytes(value);
    }
    seal(false, encoded.view());
    seal(true, {});
    return chunks;
  };
  using Row = std::pair<Bytes, Bytes>;
  auto tail = [](const Bytes& key) { return key.substr(layout::kGenerationBytes); };
  const Row progress = {tail(layout::progress_key(1)), encode(layout::Progress{log_.last_index(), 1})};
  const Row a = {tail(layout::record_key(1, "a")), encode(Record{"v", 1, 1, 1})};
  const Row b = {tail(layout::record_key(1, "b")), encode(Record{"v", 1, 1, 1})};
  auto session = [&](uint16_t slot, const layout::SessionRow& row) {
    return Row{tail(layout::session_key(1, 5, slot)), encode(row)};
  };
  auto code = [&](const std::vector<Row>& rows) {
    auto other = open_machine();
    auto restored = restore_from(*other, log_.meta(), stream(rows));
    return code_of(restored);
  };
  EXPECT_EQ(code({progress, a, b, session(0, {0, 1, 10, {{10, "r"}, {12, "r"}}})}), Code::OK);
  EXPECT_EQ(code({progress}), Code::OK);
  EXPECT_EQ(code({a, b}), Code::CORRUPT) << "no progress";
  EXPECT_EQ(code({progress, b, a}), Code::CORRUPT) << "out of order";
  EXPECT_EQ(code({progress, a, a}), Code::CORRUPT) << "twice";
  EXPECT_EQ(code({progress, {a.first, "nonsense"}}), Code::CORRUPT);
  EXPECT_EQ(code({progress, {"\x07", "unknown kind"}}), Code::CORRUPT);
  EXPECT_EQ(code({progress, session(1, {0, 1, 10, {}})}), Code::CORRUPT) << "another slot";
  EXPECT_EQ(code({progress, session(0, {1, 1, 10, {}})}), Code::CORRUPT) << "another counter";
  EXPECT_EQ(code({progress, session(0, {0, 1, 10, {{9, "r"}}})}), Code::CORRUPT) << "an acknowledged reply";
  EXPECT_EQ(code({progress, session(0, {0, 1, 10, {{10 + 4096, "r"}}})}), Code::CORRUPT)
      << "a reply too high";
  EXPECT_EQ(code({progress, session(0, {0, 1, 0, {{1, "r"}}}), session(1, {0, 1, 0, {{2, "r"}}})}),
            Code::CORRUPT)
      << "two rows of a session";
}

TEST_F(SnapshotTest, AnUnfinishedRestoreChangesNothing) {
  for (size_t written = 0; written <= chunks_.size(); ++written) {
    auto owned = store::open_memory();
    store::Store& store = *owned;
    auto other = open_machine(std::move(owned));
    TestLog other_log;
    fill(other_log, *other, 0, 5);
    auto sink = must(other->restore(log_.meta()));
    for (size_t i = 0; i < written; ++i) ASSERT_TRUE(sink->write(chunks_[i]));
    EXPECT_EQ(foreign_rows(store, 1) > 0, written > 0);
    fill(other_log, *other, 5, 7);  // it goes on applying meanwhile
    auto before = must(other->fingerprint());
    sink.reset();
    EXPECT_EQ(must(other->fingerprint()), before);
    EXPECT_EQ(foreign_rows(store, 1), 0u);
    EXPECT_EQ(other->applied(), other_log.last_index());
    EXPECT_EQ(other->restored(), std::nullopt);
    // And the next one, complete, takes the place of everything.
    ASSERT_TRUE(restore_from(*other, log_.meta(), chunks_));
    EXPECT_EQ(must(other->fingerprint()), must(machine_->fingerprint()));
    EXPECT_EQ(foreign_rows(store, 3), 0u);
  }
}

// Driver, flusher, sender and receiver of snapshots, each on a thread of its own.
TEST_F(SnapshotTest, OtherThreadsMayCopyAndFlushDuringApply) {
  const raft::SnapshotMeta meta = log_.meta();
  auto source = must(machine_->snapshot());
  auto discarded = must(machine_->restore(meta));
  auto other = open_machine();
  auto sink = must(other->restore(meta));
  std::thread copier([&] {
    for (;;) {
      Bytes chunk = must(source->next());
      if (chunk.empty()) break;
      ASSERT_TRUE(sink->write(chunk));
      ASSERT_TRUE(discarded->write(chunk));
    }
    ASSERT_TRUE(sink->finish());
    discarded.reset();
  });
  std::thread flusher([&] {
    raft::Index last = 0;
    for (int i = 0; i < 100; ++i) {
      raft::Index flushed = must(machine_->flush());
      ASSERT_GE(flushed, last);
      last = flushed;
    }
  });
  fill(log_, *machine_, 60, 120);
  copier.join();
  flusher.join();
  EXPECT_EQ(other->applied(), meta.index);
  log_.apply(*other);
  EXPECT_EQ(must(other->fingerprint()), must(machine_->fingerprint()));
}

// On disk. A copy of the files of a live store is what a killed process leaves.
class OnDisk : public testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<store::Store> open_store(const std::string& path) {
    auto store = store::open_rocksdb({.path = path, .wal = GetParam(), .memtable_bytes = 1u << 17});
    EXPECT_TRUE(store) << store.error().to_string();
    return *std::move(store);
  }
  std::unique_ptr<StateMachine> open(const std::string& name) {
    return open_machine(open_store(dir_.path(name)));
  }
  // What would be there after a crash now. Copies again while background work changes the files.
  std::unique_ptr<StateMachine> crashed(const std::string& name) {
    for (int attempt = 0; attempt < 100; ++attempt) {
      std::string path = dir_.path(name + "_" + std::to_string(++copies_));
      std::error_code error;
      fs::copy(dir_.path(name), path, error);
      if (error) continue;
      // A copy from before and after a file was replaced is none that a crash leaves.
      auto store = store::open_rocksdb({.path = path, .wal = GetParam(), .memtable_bytes = 1u << 17});
      if (store) return open_machine(*std::move(store));
    }
    ADD_FAILURE() << "no consistent copy";
    return nullptr;
  }

  store::TestDir dir_;
  int copies_ = 0;
  TestLog log_;
};

TEST_P(OnDisk, ReopensWithItsSessions) {
  auto machine = open("s");
  SessionId session = log_.open(*machine);
  Command command = in_session(session, 1, 0, write({put("k", "v")}));
  Bytes reply = log_.run_raw(*machine, command);
  machine.reset();
  machine = open("s");
  EXPECT_EQ(machine->applied(), 2u);
  EXPECT_EQ(log_.run_raw(*machine, command), reply);
  EXPECT_EQ(must(machine->get({"k"})).record->version, 1u);
}

TEST_P(OnDisk, AfterACrashTheLogBringsItForward) {
  auto machine = open("s");
  raft::Index flushed = 0;
  for (int round = 0; round < 8; ++round) {
    fill(log_, *machine, round * 10, round * 10 + 10);
    if (round % 3 == 2) flushed = must(machine->flush());
    auto after = crashed("s");
    ASSERT_NE(after, nullptr);
    EXPECT_GE(after->applied(), GetParam() ? machine->applied() : flushed);
    EXPECT_LE(after->applied(), machine->applied());
    log_.apply(*after, 3);
    EXPECT_EQ(must(after->fingerprint()), must(machine->fingerprint()));
  }
  EXPECT_GT(flushed, 0u);
}

TEST_P(OnDisk, ACrashDuringARestoreKeepsTheOldStateUntilItIsDone) {
  TestLog source_log;
  auto source = open_machine();
  fill(source_log, *source);
  auto chunks = chunks_of(*source);
  auto machine = open("s");
  fill(log_, *machine, 0, 5);
  auto before = must(machine->fingerprint());
  must(machine->flush());
  {
    auto sink = must(machine->restore(source_log.meta()));
    for (const Bytes& chunk : chunks) {
      ASSERT_TRUE(sink->write(chunk));
      auto after = crashed("s");
      ASSERT_NE(after, nullptr);
      EXPECT_EQ(must(after->fingerprint()), before);
      EXPECT_EQ(after->restored(), std::nullopt);
      // What the crash cut short leaves no trace and is no obstacle.
      ASSERT_TRUE(restore_from(*after, source_log.meta(), chunks));
      EXPECT_EQ(must(after->fingerprint()), must(source->fingerprint()));
    }
    ASSERT_TRUE(sink->finish());
  }
  auto after = crashed("s");
  ASSERT_NE(after, nullptr);
  EXPECT_EQ(after->applied(), source->applied());
  EXPECT_EQ(after->restored(), source_log.meta());
  EXPECT_EQ(must(after->fingerprint()), must(source->fingerprint()));
}

TEST_P(OnDisk, OpeningErasesWhatAnUnfinishedRestoreLeft) {
  {
    auto store = open_store(dir_.path("s"));
    auto machine = open_machine(std::move(store));
    log_.run(*machine, write({put("k", "v")}));
    ASSERT_TRUE(restore_from(*machine, log_.meta(), chunks_of(*machine)));  // now in generation 2
  }
  {
    auto store = open_store(dir_.path("s"));
    store::Batch batch;
    batch.put(layout::record_key(1, "older"), "x");
    batch.put(layout::record_key(3, "newer"), "x");
    batch.put(layout::progress_key(UINT32_MAX), "x");
    ASSERT_TRUE(store->write(std::move(batch), store::Sync::yes));
  }
  auto owned = open_store(dir_.path("s"));
  store::Store& store = *owned;
  EXPECT_EQ(foreign_rows(store, 2), 3u);
  auto machine = open_machine(std::move(owned));
  EXPECT_EQ(foreign_rows(store, 2), 0u);
  EXPECT_EQ(must(machine->get({"k"})).record->value, "v");
  EXPECT_EQ(machine->restored(), log_.meta());
}

INSTANTIATE_TEST_SUITE_P(Snapshot, OnDisk, testing::Bool(),
                         [](const auto& info) { return info.param ? "wal" : "no_wal"; });

}  // namespace
}  // namespace aspen::kv
