// A store on a simulated disk against a model, over many seeds: after every crash the store is the model
// after some prefix of the writes, and that prefix includes all that was promised to survive.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/lab/disk.h"
#include "core/lab/trace.h"

namespace aspen::lab {
namespace {

using Model = std::map<Bytes, Bytes>;

class ModelRun {
 public:
  ModelRun(uint64_t seed, bool wal) : random_(seed), disk_(random_.fork("disk")), wal_(wal) {
    disk_.trace = [this](std::string_view what, std::string_view path, std::string_view outcome) {
      trace_.add(0, 0, what, fmt::format("{} {}", path, outcome));
    };
    boot();
  }

  void step() {
    if (!store_) return restart();
    switch (random_.below(40)) {
      case 0:
        return restart();
      case 1:
        disk_.crash_within(1 + random_.below(8));
        return;
      case 2:
        return flush();
      case 3:
        return close();
      case 4:
        return draw_faults();
      default:
        return write();
    }
  }

  // Every further opening must find the damage, or not depend on it.
  void flip_bit() {
    if (disk_.flip_bit("s/")) flipped_ = true;
  }
  bool flipped() const { return flipped_; }
  bool corrupt() const { return corrupt_; }
  uint64_t recoveries() const { return recoveries_; }
  uint64_t lost() const { return lost_; }
  uint64_t faults() const { return disk_.counters().faults; }
  TraceHash hash() const { return trace_.hash(); }

 private:
  Bytes key() { return fmt::format("k{}", random_.below(30)); }

  void write() {
    store::Batch batch;
    Model next = history_.back();
    for (uint64_t changes = random_.below(4); changes > 0; --changes) {
      Bytes start = key();
      switch (random_.below(10)) {
        case 0: {
          Bytes end = random_.chance(0.3) ? Bytes() : key();
          batch.erase_range(start, end);
          for (auto it = next.lower_bound(start); it != next.end() && (end.empty() || it->first < end);) {
            it = next.erase(it);
          }
          break;
        }
        case 1:
          batch.erase(start);
          next.erase(start);
          break;
        default: {
          Bytes value(random_.below(random_.chance(0.1) ? 3000 : 100), '\0');
          random_.fill(value.data(), value.size());
          batch.put(start, value);
          next[start] = value;
        }
      }
    }
    auto sync = random_.chance(0.2) ? store::Sync::yes : store::Sync::no;
    bool written = store_->write(std::move(batch), sync).has_value();
    // One that failed may have happened: it must be a legal outcome, but nobody waits for it.
    history_.push_back(std::move(next));
    if (!written) return stop();
    if (sync == store::Sync::yes) promised_ = history_.size() - 1;
    written_ = history_.size() - 1;
  }

  void flush() {
    if (!store_->flush()) return stop();
    promised_ = written_;
  }

  // The store may be of no use any more, or just have been refused some space: the engine stops either way.
  void stop() { cached_ = false, restart(); }

  void close() {
    store_.reset();
    if (disk_.mounted()) open();
  }

  void draw_faults() {
    DiskFaults faults;
    if (random_.chance(0.3)) faults.write_fails = 0.05;
    if (random_.chance(0.3)) faults.sync_fails = 0.05;
    if (random_.chance(0.2)) faults.bytes_max = disk_.bytes_used() + random_.below(20'000);
    disk_.set_faults(faults);
  }

  void restart() {
    bool killed = random_.chance(0.5);
    if (!killed || !disk_.mounted()) cached_ = false;
    disk_.crash(killed ? DiskCrash::process_kill : DiskCrash::power_cut);
    store_.reset();
    boot();
  }

  void boot() {
    boot_ = disk_.mount();
    disk_.set_faults({});
    if (random_.chance(0.1)) disk_.crash_within(1 + random_.below(5));  // while it recovers
    open();
  }

  void open() {
    auto opened = boot_->open_store("s", wal_);
    if (!opened) {
      if (opened.error().code != Code::CORRUPT) return;
      ASSERT_TRUE(flipped_) << opened.error().to_string();
      corrupt_ = true;
      return;
    }
    store_ = *std::move(opened);
    check_recovered();
  }

  void check_recovered() {
    Model found;
    auto it = store_->iterate();
    for (it->seek(""); it->valid(); it->next()) found.emplace(it->key(), it->value());
    if (!it->status()) return store_.reset();
    size_t least = wal_ && cached_ ? written_ : promised_;
    for (size_t i = history_.size(); i-- > least;) {
      if (history_[i] != found) continue;
      ++recoveries_;
      lost_ += history_.size() - 1 - i;
      history_.assign(1, found);
      promised_ = written_ = 0;
      cached_ = true;
      return;
    }
    FAIL() << "the store holds " << found.size() << " keys, as after none of the writes " << promised_
           << " to " << history_.size() - 1;
  }

  Random random_;
  Disk disk_;
  const bool wal_;
  Trace trace_;
  std::shared_ptr<Mount> boot_;
  std::unique_ptr<store::Store> store_;
  std::vector<Model> history_{1};  // the state after each write since the last recovery, from before them
  size_t promised_ = 0;            // of history_: this state or a later one survives
  size_t written_ = 0;
  bool cached_ = true;  // since then nothing failed and no power was cut: nor may a write be lost
  bool flipped_ = false;
  bool corrupt_ = false;
  uint64_t recoveries_ = 0;
  uint64_t lost_ = 0;
};

TEST(DiskModel, RecoveryIsAPrefixWithAllThatWasPromised) {
  uint64_t recoveries = 0;
  uint64_t lost = 0;
  uint64_t faults = 0;
  for (uint64_t seed = 1; seed <= 60 && !testing::Test::HasFatalFailure(); ++seed) {
    for (bool wal : {true, false}) {
      SCOPED_TRACE(fmt::format("seed {} wal {}", seed, wal));
      ModelRun run(seed, wal);
      for (int i = 0; i < 400 && !testing::Test::HasFatalFailure(); ++i) run.step();
      recoveries += run.recoveries();
      lost += run.lost();
      faults += run.faults();
    }
  }
  EXPECT_GT(recoveries, 1000u);
  EXPECT_GT(lost, 1000u);
  EXPECT_GT(faults, 100u);
}

TEST(DiskModel, DamageIsFoundOrDoesNoHarm) {
  uint64_t corrupt = 0;
  uint64_t harmless = 0;
  for (uint64_t seed = 1; seed <= 300 && !testing::Test::HasFatalFailure(); ++seed) {
    for (bool wal : {true, false}) {
      SCOPED_TRACE(fmt::format("seed {} wal {}", seed, wal));
      ModelRun run(seed, wal);
      for (int i = 0; i < 60; ++i) run.step();
      run.flip_bit();
      for (int i = 0; i < 100 && !run.corrupt() && !testing::Test::HasFatalFailure(); ++i) run.step();
      if (run.flipped()) ++(run.corrupt() ? corrupt : harmless);
    }
  }
  EXPECT_GT(corrupt, 100u);
  EXPECT_GT(harmless, 0u);
}

TEST(DiskModel, TheSameSeedIsTheSameRun) {
  auto hash_of = [](uint64_t seed) {
    ModelRun run(seed, true);
    for (int i = 0; i < 300; ++i) run.step();
    return run.hash();
  };
  EXPECT_EQ(hash_of(1), hash_of(1));
  EXPECT_NE(hash_of(1), hash_of(2));
}

}  // namespace
}  // namespace aspen::lab
