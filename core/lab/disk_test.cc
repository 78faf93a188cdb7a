#include "core/lab/disk.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/lab/disk_store.h"
#include "core/store/store_contract.h"

namespace aspen::lab {
namespace {

using store::Model;
using store::put;
using store::StoreContract;
using store::StoreKind;

std::shared_ptr<store::Store> open_on_new_disk(bool wal) {
  struct Opened {
    Disk disk{Random(3)};
    std::unique_ptr<store::Store> store;
  };
  auto opened = std::make_shared<Opened>();
  opened->store = opened->disk.mount()->open_store("s", wal).value();
  return {opened, opened->store.get()};
}

INSTANTIATE_TEST_SUITE_P(Disk, StoreContract,
                         testing::Values(StoreKind{"wal", [] { return open_on_new_disk(true); }},
                                         StoreKind{"no_wal", [] { return open_on_new_disk(false); }}),
                         store::store_kind_name);

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

TEST_F(DiskTest, ReopensWhatWasClosed) {
  for (bool wal : {true, false}) {
    open(wal);
    int start = prefix();
    write_numbered(start, start + 10);
    store.reset();
    open(wal);
    EXPECT_EQ(prefix(), start + 10);
    store.reset();
  }
}

TEST_F(DiskTest, TheLogDoesNotGrowWithoutBound) {
  for (bool wal : {true, false}) {
    open(wal);
    for (int i = 0; i < 3000; ++i) ASSERT_TRUE(store->write(put("k", Bytes(2000, 'v')), store::Sync::no));
    EXPECT_LT(disk.bytes_used(), uint64_t{2 * DiskStore::kLogBytesMax + DiskStore::kUnwrittenBytesMax});
    restart(DiskCrash::process_kill, wal);
    if (wal) EXPECT_EQ(store->get("k").value(), Bytes(2000, 'v'));
    store.reset();
  }
}

TEST_F(DiskTest, AFlushThatFillsAFileMayBeFollowedByWrites) {
  open(false);
  for (int from = 0; from < 20'000; from += 4'000) {
    write_numbered(from, from + 4'000);
    ASSERT_TRUE(store->flush());
  }
  restart(DiskCrash::power_cut, false);
  EXPECT_EQ(store->get("n").value(), "20000");
}

TEST_F(DiskTest, AFailedSyncIsNotHealedByALaterOne) {
  open();
  write_numbered(0, 10, store::Sync::yes);
  disk.set_faults({.sync_fails = 1});
  EXPECT_EQ(code_of(store->write(put("unsure", "1"), store::Sync::yes)), Code::IO);
  EXPECT_EQ(store->get("unsure").value(), std::nullopt);
  disk.set_faults({});
  EXPECT_EQ(code_of(store->flush()), Code::IO);
  EXPECT_EQ(code_of(store->write(put("later", "1"), store::Sync::yes)), Code::IO);
  EXPECT_EQ(prefix(), 10) << "what was written before can still be read";
  // Without a crash of the machine the page cache still shows what no sync will ever write.
  std::string file = "s/1";
  EXPECT_TRUE(disk.files().at(file).poisoned);
  ASSERT_TRUE(boot->sync(file));
  EXPECT_LT(disk.files().at(file).synced, disk.files().at(file).bytes.size());
  restart(DiskCrash::process_kill);
  EXPECT_EQ(store->get("unsure").value(), "1");
  restart(DiskCrash::power_cut);
  EXPECT_EQ(store->get("unsure").value(), "1") << "the new store was built on what was never durable";
}

TEST_F(DiskTest, ASyncThatFailsWithNothingToWriteHarmsNoLaterOne) {
  open();
  write_numbered(0, 10, store::Sync::yes);
  restart(DiskCrash::process_kill);  // an image, and nothing after it: the next store goes on in this file
  disk.set_faults({.sync_fails = 1});
  EXPECT_EQ(code_of(store->flush()), Code::IO);
  disk.set_faults({});
  restart(DiskCrash::process_kill);
  write_numbered(10, 20, store::Sync::yes);
  restart(DiskCrash::power_cut);
  EXPECT_EQ(prefix(), 20);
}

TEST_F(DiskTest, AFailedWriteStopsTheStore) {
  for (bool wal : {true, false}) {
    open(wal);
    int start = prefix();
    write_numbered(start, start + 10);
    ASSERT_TRUE(store->flush());
    disk.set_faults({.write_fails = 1});
    EXPECT_EQ(code_of(store->write(put("unsure", "1"), store::Sync::yes)), Code::IO);
    disk.set_faults({});
    EXPECT_EQ(code_of(store->write(put("later", "1"), store::Sync::yes)), Code::IO);
    restart(DiskCrash::process_kill, wal);
    EXPECT_EQ(prefix(), start + 10);
    EXPECT_EQ(store->get("later").value(), std::nullopt);
    store.reset();
  }
}

TEST_F(DiskTest, AFullDiskRefusesWritesUntilThereIsSpace) {
  for (bool wal : {true, false}) {
    open(wal);
    int start = prefix();
    write_numbered(start, start + 10, store::Sync::yes);
    disk.set_faults({.bytes_max = disk.bytes_used() + 10});
    auto refused = store->write(put("k", Bytes(100, 'v')), store::Sync::yes);
    EXPECT_EQ(code_of(refused), Code::IO);
    EXPECT_NE(refused.error().message.find("no space"), std::string::npos) << refused.error().message;
    EXPECT_EQ(code_of(boot->write_file("f", Bytes(100, 'v'))), Code::IO);
    disk.set_faults({});
    write_numbered(start + 10, start + 20, store::Sync::yes);
    restart(DiskCrash::power_cut, wal);
    EXPECT_EQ(prefix(), start + 20);
    store.reset();
  }
}

TEST_F(DiskTest, AFlippedBitIsCorruptWhenTheStoreIsOpened) {
  for (int round = 0; round < 200; ++round) {
    open();
    write_numbered(0, 20, store::Sync::yes);
    store.reset();
    ASSERT_TRUE(disk.flip_bit("s/"));
    auto opened = boot->open_store("s", true);
    ASSERT_EQ(code_of(opened), Code::CORRUPT);
    EXPECT_NE(opened.error().message.find(kCorruptRemedy), std::string::npos) << opened.error().message;
    EXPECT_EQ(code_of(boot->open_store("s", true)), Code::CORRUPT) << "it did not stay as it was";
    ASSERT_TRUE(boot->remove("s"));
  }
  EXPECT_EQ(disk.flip_bit("s/"), std::nullopt);
}

TEST_F(DiskTest, AnOpenStoreMayFindTheDamage) {
  open();
  write_numbered(0, 20, store::Sync::yes);
  auto snapshot = store->snapshot();
  ASSERT_TRUE(disk.flip_bit("s/1"));
  disk.set_faults({.damage_found = 0});
  EXPECT_EQ(prefix(), 20);
  disk.set_faults({.damage_found = 1});
  EXPECT_EQ(code_of(store->get("n")), Code::CORRUPT);
  EXPECT_EQ(code_of(snapshot->get("n")), Code::CORRUPT);
  auto it = store->iterate();
  it->seek("");
  EXPECT_FALSE(it->valid());
  EXPECT_EQ(code_of(it->status()), Code::CORRUPT);
}

TEST_F(DiskTest, AWipedDiskIsEmpty) {
  open();
  write_numbered(0, 10, store::Sync::yes);
  ASSERT_TRUE(boot->write_file("f", "x"));
  disk.crash(DiskCrash::power_cut);
  store.reset();
  disk.wipe();
  EXPECT_EQ(disk.bytes_used(), 0u);
  boot = disk.mount();
  EXPECT_EQ(boot->read_file("f").value(), std::nullopt);
  open();
  EXPECT_EQ(prefix(), 0);
}

TEST_F(DiskTest, ASlowDiskTakesLonger) {
  auto longest = [&] {
    DurationNs most = 0;
    for (int i = 0; i < 1000; ++i) most = std::max(most, disk.latency(DiskWork::sync));
    return most;
  };
  EXPECT_LT(longest(), 20 * kMillisecond);
  disk.set_faults({.slowness = 10, .stall = 0.01});
  EXPECT_GT(longest(), kSecond);
  EXPECT_LT(longest(), 2 * Disk::kStallMax);
}

}  // namespace
}  // namespace aspen::lab
