// A journal on a simulated disk: the directory's contract, and what of it the disk's crashes and faults take.
#include "core/lab/disk_directory.h"

#include <gtest/gtest.h>

#include <random>

#include "core/journal/directory_contract.h"
#include "core/journal/journal.h"

namespace aspen::lab {
namespace {

using journal::Journal;

struct DiskDirectoryTest : testing::Test {
  Disk disk{Random(7)};
  std::shared_ptr<Mount> boot = disk.mount();
  std::unique_ptr<journal::Directory> directory = *boot->open_directory("n/journal");

  void restart(DiskCrash kind) {
    disk.crash(kind);
    boot = disk.mount();
    directory = *boot->open_directory("n/journal");
  }
};

TEST_F(DiskDirectoryTest, Contract) {
  journal::check_contract(*directory);
}

TEST_F(DiskDirectoryTest, ACrashedMachineTouchesNothing) {
  auto file = *directory->create("a");
  ASSERT_TRUE(file->write_synced(0, "abc"));
  ASSERT_TRUE(directory->sync());
  auto ghost = std::move(directory);
  restart(DiskCrash::process_kill);
  EXPECT_FALSE(file->write(0, "xyz"));
  EXPECT_FALSE(file->sync());
  EXPECT_FALSE(ghost->list());
  EXPECT_FALSE(ghost->create("b"));
  EXPECT_FALSE(ghost->open("a"));
  EXPECT_FALSE(ghost->rename("a", "b"));
  EXPECT_FALSE(ghost->remove("a"));
  EXPECT_FALSE(ghost->sync());
  EXPECT_EQ(journal::read(**directory->open("a"), 0, 9), "abc");
}

TEST_F(DiskDirectoryTest, WhereAMachineDiesIsDrawn) {
  ASSERT_TRUE((*directory->create("a"))->write_synced(0, "abc"));
  disk.crash_within(2);
  auto file = *directory->open("a");
  EXPECT_TRUE(file->write(0, "x"));
  EXPECT_FALSE(file->write(1, "y"));
  EXPECT_FALSE(disk.mounted());
  EXPECT_FALSE(directory->list());
}

TEST_F(DiskDirectoryTest, AllFilesOfADiskShareItsRoom) {
  ASSERT_TRUE(boot->write_file("n/node", Bytes(100, 'x')));
  auto file = *directory->create("a");
  ASSERT_TRUE(file->write(0, Bytes(50, 'x')));
  EXPECT_EQ(disk.bytes_used(), 150u);
  disk.set_faults({.bytes_max = 160});
  EXPECT_TRUE(file->write(50, Bytes(10, 'x')));
  EXPECT_FALSE(file->write(60, "x"));
  EXPECT_TRUE(file->write(0, Bytes(60, 'y')));
  EXPECT_FALSE(boot->write_file("n/other", "x"));
  ASSERT_TRUE(boot->remove("n/journal"));
  EXPECT_EQ(disk.bytes_used(), 100u);
  EXPECT_EQ(directory->list(), std::vector<std::string>{});
}

// A journal that is written, synced and crashed in every way the disk has, by a seed: what was synced is
// there, what was never written is not, and damage is found or was in nobody's way.
class JournalRun {
 public:
  explicit JournalRun(uint64_t seed) : random_(Random(seed)), disk_(random_.fork("disk")) { boot(); }

  void step() {
    if (!journal_) return restart();
    switch (random_.below(24)) {
      case 0:
        return restart();
      case 1:
        return disk_.crash_within(1 + random_.below(12));
      case 2:
        return draw_faults();
      case 3:
        (void)journal_->maintain();
        return;
      case 4:
        if (!journal_->need(1, std::max<uint64_t>(need_, synced_))) return;
        need_ = std::max(need_, synced_);
        if (!journal_->reclaim()) restart();
        return;
      case 5:
      case 6:
      case 7:
        journal_->sync() ? void(synced_ = written_.size()) : restart();
        return;
      default:
        return append();
    }
  }
  void flip_bit() { flipped_ = disk_.flip_bit("n/journal").has_value(); }
  bool flipped() const { return flipped_; }
  bool corrupt() const { return corrupt_; }
  uint64_t recoveries() const { return recoveries_; }

 private:
  void append() {
    Bytes payload(random_.below(900), static_cast<char>('a' + written_.size() % 26));
    journal::Record record{.user = 1, .payload = payload};
    auto appended = journal_->append(std::span(&record, 1));
    if (!appended && appended.error().applied == Applied::NO) return;
    written_.push_back(payload);
    if (!appended) restart();
  }

  void draw_faults() {
    DiskFaults faults;
    if (random_.chance(0.3)) faults.write_fails = 0.05;
    if (random_.chance(0.3)) faults.sync_fails = 0.05;
    if (random_.chance(0.2)) faults.bytes_max = disk_.bytes_used() + random_.below(20'000);
    disk_.set_faults(faults);
  }

  void restart() {
    disk_.crash(random_.chance(0.5) ? DiskCrash::process_kill : DiskCrash::power_cut);
    journal_.reset();
    boot();
  }

  void boot() {
    boot_ = disk_.mount();
    disk_.set_faults({});
    if (random_.chance(0.1)) disk_.crash_within(1 + random_.below(9));  // while it recovers
    directory_ = *boot_->open_directory("n/journal");
    auto opened = Journal::open(*directory_,
                                {.random = [this] { return random_.below(~0ull); }, .segment_bytes = 16384});
    if (!opened) return opening_failed(opened.error());
    journal_ = *std::move(opened);
    check_recovered();
  }

  void opening_failed(const Error& error) {
    if (error.code != Code::CORRUPT) return;
    EXPECT_TRUE(flipped_) << error.to_string();
    corrupt_ = true;
  }

  void check_recovered() {
    size_t count = journal_->next_sequence() - 1;
    ASSERT_GE(count, synced_) << "what was synced is lost";
    ASSERT_LE(count, written_.size());
    journal::Cursor cursor = journal_->read(journal_->first_sequence());
    for (;;) {
      auto entry = cursor.next();
      if (!entry) {
        journal_.reset();
        return opening_failed(entry.error());
      }
      if (!*entry) break;
      ASSERT_EQ((*entry)->payload, written_[(*entry)->sequence - 1]);
    }
    written_.resize(count);
    synced_ = count;
    ++recoveries_;
  }

  Random random_;
  Disk disk_;
  std::shared_ptr<Mount> boot_;
  std::unique_ptr<journal::Directory> directory_;
  std::unique_ptr<Journal> journal_;
  std::vector<Bytes> written_;  // by sequence - 1
  size_t synced_ = 0;
  uint64_t need_ = 0;
  bool flipped_ = false;
  bool corrupt_ = false;
  uint64_t recoveries_ = 0;
};

TEST(DiskJournal, WhatWasSyncedSurvives) {
  uint64_t recoveries = 0;
  for (uint64_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    JournalRun run(seed);
    for (int i = 0; i < 400 && !testing::Test::HasFailure(); ++i) run.step();
    recoveries += run.recoveries();
  }
  EXPECT_GT(recoveries, 1000u);
}

TEST(DiskJournal, DamageIsFoundOrDoesNoHarm) {
  uint64_t corrupt = 0;
  uint64_t harmless = 0;
  for (uint64_t seed = 1; seed <= 300 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    JournalRun run(seed);
    for (int i = 0; i < 60; ++i) run.step();
    run.flip_bit();
    for (int i = 0; i < 100 && !run.corrupt() && !testing::Test::HasFailure(); ++i) run.step();
    if (run.flipped()) ++(run.corrupt() ? corrupt : harmless);
  }
  EXPECT_GT(corrupt, 100u);
  EXPECT_GT(harmless, 0u);
}

}  // namespace
}  // namespace aspen::lab
