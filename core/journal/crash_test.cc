// Crashes, failures and restarts at every operation on the disk, against a model of what must be there after.
#include <gtest/gtest.h>

#include <ranges>

#include "core/journal/test_journal.h"

namespace aspen::journal {
namespace {

// Every way a segment comes, goes and comes again. Ends at the first failure; true without one.
Result<> script(TestMachine& machine) {
  ASPEN_CHECK(machine.open());
  ASPEN_CHECK(machine.append({10, 600}));
  ASPEN_CHECK(machine.append({5}));
  ASPEN_CHECK(machine.sync());
  ASPEN_CHECK(machine.append({0}));
  ASPEN_CHECK(machine.sync());
  for (size_t size : {900, 1200, 900}) ASPEN_CHECK(machine.append({size}));
  ASPEN_CHECK(machine.sync());
  ASPEN_CHECK(machine.journal->maintain());
  for (size_t size : {1000, 2000, 3000, 1500}) {
    ASPEN_CHECK(machine.append({size}));
    ASPEN_CHECK(machine.sync());
  }
  ASPEN_CHECK(machine.reclaim(machine.durable()));
  for (size_t size : {2000, 10, 1500, 1000}) ASPEN_CHECK(machine.append({size, size / 10}));
  ASPEN_CHECK(machine.sync());
  ASPEN_CHECK(machine.reclaim(machine.durable() + 1));
  ASPEN_CHECK(machine.open());
  ASPEN_CHECK(machine.append({700}));
  ASPEN_CHECK(machine.sync());
  return machine.journal->close();
}

// What survives of what was not synced.
std::vector<MemoryDirectory::Choose> choices() {
  auto seeded = [](uint64_t seed) {
    return [random = std::mt19937_64(seed)](uint64_t below) mutable { return random() % below; };
  };
  auto other = [odd = false](uint64_t below) mutable { return (odd = !odd) ? 0 : below - 1; };
  return {lose_all, keep_all, other, seeded(1), seeded(2), seeded(3)};
}

// The `at`-th operation from now on meets `fault`, no other one.
void arm(TestMachine& machine, size_t at, Fault fault) {
  machine.disk.before = [at, fault](Operation, const std::string&) mutable {
    return at > 0 && --at == 0 ? fault : Fault::none;
  };
}

// It was opened after a fault: nothing is lost, it goes on, and goes on after another power cut.
void check_goes_on(TestMachine& machine) {
  machine.check_recovered();
  ASSERT_TRUE(machine.append({100}));
  ASSERT_TRUE(machine.sync());
  machine.check_held();
  machine.disk.crash(lose_all);
  auto opened = machine.open();
  ASSERT_TRUE(opened) << opened.error().to_string();
  machine.check_recovered();
}

TEST(JournalCrash, AtEveryOperation) {
  size_t operations = 0;
  for (size_t choice = 0; choice < choices().size(); ++choice) {
    for (size_t at = 1;; ++at) {
      SCOPED_TRACE(fmt::format("choice {}, operation {}", choice, at));
      TestMachine machine;
      arm(machine, at, Fault::die);
      bool whole = script(machine).has_value();
      machine.disk.before = nullptr;
      machine.disk.crash(choices()[choice]);
      auto opened = machine.open();
      ASSERT_TRUE(opened) << opened.error().to_string();
      check_goes_on(machine);
      if (testing::Test::HasFailure()) return;
      operations = at;
      if (whole) break;
    }
  }
  EXPECT_GT(operations, 60u);
}

TEST(JournalCrash, WhileItIsOpenedAfterACrash) {
  for (size_t at = 1;; at += 3) {
    bool whole = false;
    for (size_t again = 1;; ++again) {
      SCOPED_TRACE(fmt::format("operation {}, then {}", at, again));
      TestMachine machine;
      arm(machine, at, Fault::die);
      whole = script(machine).has_value();
      machine.disk.crash(choices()[3]);
      arm(machine, again, Fault::die);
      bool opened = machine.open().has_value();
      machine.disk.before = nullptr;
      machine.disk.crash(choices()[again % choices().size()]);
      auto result = machine.open();
      ASSERT_TRUE(result) << result.error().to_string();
      check_goes_on(machine);
      if (testing::Test::HasFailure()) return;
      if (opened) break;
    }
    if (whole) return;
  }
}

// The process starts again without a power cut, so what was written and not synced is still read.
TEST(JournalCrash, AFailureAtEveryOperation) {
  for (size_t at = 1;; ++at) {
    SCOPED_TRACE(fmt::format("operation {}", at));
    TestMachine machine;
    arm(machine, at, Fault::fail);
    bool whole = script(machine).has_value();
    machine.disk.before = nullptr;
    auto opened = machine.open();
    ASSERT_TRUE(opened) << opened.error().to_string();
    check_goes_on(machine);
    if (testing::Test::HasFailure() || whole) return;
  }
}

// One run of anything that may happen, in any order, by a seed.
class RandomRun {
 public:
  explicit RandomRun(uint64_t seed) : random_(seed) {
    machine_.options.segments_max = 6;
    machine_.options.spares_max = below(3);
    if (below(2) == 0) machine_.options.segment_bytes = 2 * kSmallSegment;
    machine_.disk.before = [this](Operation, const std::string&) { return fault(); };
    reopen();
  }

  void step() {
    Result<> result = act();
    if (result) return;
    bool refused = result.error().code == Code::OVERLOADED || result.error().applied == Applied::NO;
    if (refused && !dead_ && below(2) == 0) return;
    if (dead_ || below(3) == 0) power_cut();
    reopen();
  }

 private:
  uint64_t below(uint64_t n) { return random_() % n; }

  Fault fault() {
    if (countdown_ == 0 || --countdown_ > 0) return Fault::none;
    dead_ = armed_ == Fault::die;
    return armed_;
  }

  Result<> act() {
    switch (below(20)) {
      case 0:
        return result_of(machine_.journal->maintain());
      case 1:
      case 2:
        return machine_.reclaim(1 + below(machine_.durable() + 1));
      case 3:
        countdown_ = 1 + below(12);
        armed_ = below(2) == 0 ? Fault::die : Fault::fail;
        return {};
      case 4:
        machine_.disk.bytes_max = below(2) == 0 ? 0 : ~uint64_t{0};
        return {};
      case 5:
        if (below(3) == 0) ASPEN_CHECK(machine_.journal->close());
        if (below(2) == 0) power_cut();
        reopen();
        return {};
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
        return machine_.sync();
      default:
        std::vector<size_t> sizes(1 + below(4));
        for (size_t& size : sizes) size = below(8) == 0 ? below(950) : below(100);
        return machine_.append(sizes);
    }
  }

  template <typename T>
  static Result<> result_of(Result<T> result) {
    if (!result) return forward_error(std::move(result));
    return {};
  }

  void power_cut() {
    uint64_t bias = below(3);
    machine_.disk.crash([&](uint64_t n) { return bias == 0 ? 0 : bias == 1 ? n - 1 : below(n); });
    dead_ = false;
  }

  // Until it is open; a fault may come in between, and the disk may be too full.
  void reopen() {
    for (;;) {
      auto opened = machine_.open();
      if (opened) break;
      ASSERT_EQ(opened.error().code, Code::IO) << opened.error().to_string();
      machine_.disk.bytes_max = ~uint64_t{0};
      if (dead_) power_cut();
    }
    countdown_ = 0;
    machine_.check_recovered();
  }

  TestMachine machine_;
  std::mt19937_64 random_;
  size_t countdown_ = 0;
  Fault armed_ = Fault::none;
  bool dead_ = false;
};

TEST(JournalCrash, AnythingInAnyOrder) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    RandomRun run(seed);
    for (int i = 0; i < 200 && !testing::Test::HasFailure(); ++i) run.step();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace aspen::journal
