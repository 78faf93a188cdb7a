#include "core/lab/disk.h"

#include <gtest/gtest.h>

#include <map>

namespace aspen::lab {
namespace {

using Model = std::map<Bytes, Bytes>;

store::Batch put(BytesView key, BytesView value) {
  store::Batch batch;
  batch.put(key, value);
  return batch;
}

template <typename T>
Code code_of(const Result<T>& result) {
  return result ? Code::OK : result.error().code;
}

struct DiskTest : testing::Test {
  Disk disk{Random(7)};
  std::shared_ptr<Mount> boot = disk.mount();
  std::unique_ptr<store::Store> store;

  void open(bool wal = true) {
    auto opened = boot->open_store("s", wal);
    ASSERT_TRUE(opened) << opened.error().to_string();
    store = *std::move(opened);
  }
  void restart(DiskCrash kind, bool wal = true) {
    disk.crash(kind);
    store.reset();
    boot = disk.mount();
    open(wal);
  }
  void write_numbered(int from, int to, store::Sync sync = store::Sync::no) {
    for (int i = from; i < to; ++i) {
      store::Batch batch;
      batch.put("k" + std::to_string(i), Bytes(100, 'v'));
      batch.put("n", std::to_string(i + 1));
      ASSERT_TRUE(store->write(std::move(batch), sync));
    }
  }
  // How many of the numbered writes are there; -1 when it is not a prefix.
  int prefix() {
    auto n = store->get("n");
    int count = n && *n ? std::stoi(**n) : 0;
    int seen = 0;
    auto it = store->iterate();
    for (it->seek("k"); it->valid() && it->key()[0] == 'k'; it->next()) ++seen;
    return it->status() && seen == count ? count : -1;
  }
};

TEST_F(DiskTest, ASyncCoversItselfAndAllBeforeIt) {
  open();
  write_numbered(0, 10);
  write_numbered(10, 11, store::Sync::yes);
  restart(DiskCrash::power_cut);
  EXPECT_EQ(prefix(), 11);
}

TEST_F(DiskTest, APowerCutKeepsSomePrefixOfWhatWasNotSynced) {
  std::set<int> kept;
  for (int round = 0; round < 50; ++round) {
    open();
    int start = prefix();
    write_numbered(start, start + 10);
    restart(DiskCrash::power_cut);
    ASSERT_GE(prefix(), start);
    kept.insert(prefix() - start);
    store.reset();
  }
  EXPECT_GE(kept.size(), 5u);
  EXPECT_TRUE(kept.contains(0));
  EXPECT_TRUE(kept.contains(10));
}

TEST_F(DiskTest, AKilledProcessLosesNothingThatWasWritten) {
  open();
  write_numbered(0, 10);
  restart(DiskCrash::process_kill);
  EXPECT_EQ(prefix(), 10);
}

TEST_F(DiskTest, WithoutALogOnlyWhatWasFlushedSurvives) {
  for (DiskCrash kind : {DiskCrash::process_kill, DiskCrash::power_cut}) {
    open(false);
    int start = prefix();
    write_numbered(start, start + 10);
    ASSERT_TRUE(store->flush());
    write_numbered(start + 10, start + 12);
    restart(kind, false);
    EXPECT_GE(prefix(), start + 10);
    EXPECT_LE(prefix(), start + 12);
    store.reset();
  }
}

TEST_F(DiskTest, ACrashedMachineTouchesNothing) {
  open();
  write_numbered(0, 10, store::Sync::yes);
  auto snapshot = store->snapshot();
  auto it = store->iterate();
  it->seek("");
  ASSERT_TRUE(it->valid());
  std::unique_ptr<store::Store> ghost = std::move(store);
  std::shared_ptr<Mount> ghost_boot = boot;
  restart(DiskCrash::power_cut);
  uint64_t used = disk.bytes_used();
  EXPECT_EQ(code_of(ghost->write(put("k", "v"), store::Sync::yes)), Code::IO);
  EXPECT_EQ(code_of(ghost->flush()), Code::IO);
  EXPECT_EQ(code_of(ghost->get("n")), Code::IO);
  EXPECT_EQ(code_of(snapshot->get("n")), Code::IO);
  EXPECT_FALSE(it->valid());
  EXPECT_EQ(code_of(it->status()), Code::IO);
  EXPECT_EQ(code_of(ghost_boot->write_file("f", "x")), Code::IO);
  EXPECT_EQ(code_of(ghost_boot->read_file("f")), Code::IO);
  EXPECT_EQ(code_of(ghost_boot->remove("s")), Code::IO);
  EXPECT_EQ(code_of(ghost_boot->open_store("t", true)), Code::IO);
  it.reset();
  snapshot.reset();
  ghost.reset();
  EXPECT_EQ(disk.bytes_used(), used);
  EXPECT_EQ(code_of(boot->open_store("s", true)), Code::IN_USE);
  EXPECT_EQ(prefix(), 10);
}

TEST_F(DiskTest, FilesAreReplacedWhole) {
  EXPECT_EQ(boot->read_file("d/f").value(), std::nullopt);
  ASSERT_TRUE(boot->write_file("d/f", "old"));
  std::set<Bytes> seen;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(boot->write_file("d/f", "old"));
    disk.crash_within(1);
    EXPECT_EQ(code_of(boot->write_file("d/f", "the new one")), Code::IO);
    disk.crash(DiskCrash::power_cut);
    boot = disk.mount();
    seen.insert(boot->read_file("d/f").value().value());
  }
  EXPECT_EQ(seen, (std::set<Bytes>{"old", "the new one"}));
  ASSERT_TRUE(boot->remove("d"));
  EXPECT_EQ(boot->read_file("d/f").value(), std::nullopt);
  EXPECT_EQ(disk.bytes_used(), 0u);
}

}  // namespace
}  // namespace aspen::lab
