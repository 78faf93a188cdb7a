#include "core/lab/disk_lane.h"

#include <gtest/gtest.h>

#include <set>

#include "core/base/limits.h"
#include "core/lab/host.h"

namespace aspen::lab {
namespace {

struct DiskLaneTest : testing::Test {
  Events events;
  Disk disk{Random(1)};
  std::unique_ptr<Host> host = std::make_unique<Host>(events, Random(2), "host");
  std::unique_ptr<DiskLane> lane = std::make_unique<DiskLane>(host->executor(), disk, DiskWork::sync);
  std::string story;

  void submit(const char* name) {
    host->deliver([this, name] {
      ASSERT_TRUE(lane->submit([this, name] { story += fmt::format("{} runs; ", name); },
                               [this, name] { story += fmt::format("{} is done; ", name); }));
    });
  }
  void run_for(DurationNs duration) {
    for (TimeNs end = events.now() + duration; events.run_next(end);) continue;
  }
};

TEST_F(DiskLaneTest, WorkRunsInOrderAndIsCompletedAfterIt) {
  submit("a");
  submit("b");
  EXPECT_EQ(story, "");
  run_for(kSecond);
  EXPECT_EQ(story, "a runs; a is done; b runs; b is done; ");
  EXPECT_EQ(lane->queued(), 0u);
}

TEST_F(DiskLaneTest, ASlowDiskTakesItsTime) {
  disk.set_faults({.slowness = 1000});
  submit("a");
  run_for(100 * kMillisecond);
  EXPECT_EQ(story, "");
  run_for(20 * kSecond);
  EXPECT_EQ(story, "a runs; a is done; ");
}

TEST_F(DiskLaneTest, RefusesWhatItCannotQueue) {
  size_t ran = 0;
  for (size_t i = 0; i < limits::kBlockingQueueMax; ++i) {
    ASSERT_TRUE(lane->submit([&] { ++ran; }, [] {}));
  }
  auto refused = lane->submit([] { FAIL(); }, [] { FAIL(); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::OVERLOADED);
  lane.reset();
  EXPECT_EQ(ran, limits::kBlockingQueueMax);
}

TEST_F(DiskLaneTest, WorkMayPanicAndItsCompletionMayDestroyTheLane) {
  std::string panic;
  host->executor().on_panic = [&](const std::string& text) { panic = text; };
  host->deliver([this] {
    ASSERT_TRUE(lane->submit([] { throw std::runtime_error("it broke"); }, [this] { lane.reset(); }));
  });
  run_for(kSecond);
  EXPECT_NE(panic.find("it broke"), std::string::npos);
  EXPECT_EQ(lane, nullptr);
}

// What was under way happens, happens in part or does not; what waited behind it does not; a ghost hears of
// the end of both.
TEST_F(DiskLaneTest, ACrashCatchesWorkAnywhere) {
  std::set<std::string> outcomes;
  for (int round = 0; round < 60; ++round) {
    std::shared_ptr<Mount> boot = disk.mount();
    auto store = boot->open_store("s", true).value();
    Bytes number = std::to_string(round);
    int done = 0;
    auto write = [&](const char* key) {
      ASSERT_TRUE(lane->submit(
          [&store, key, number] {
            store::Batch batch;
            batch.put(key, number);
            (void)store->write(std::move(batch), store::Sync::yes);
          },
          [&done] { ++done; }));
    };
    host->deliver([&] {
      write("under way");
      write("waits");
    });
    lane->crash();
    bool dead = !disk.mounted();
    disk.crash(DiskCrash::power_cut);
    host->kill();
    EXPECT_TRUE(host->finish([&] { return done == 2; }));
    lane.reset();
    store.reset();

    boot = disk.mount();
    store = boot->open_store("s", true).value();
    EXPECT_NE(store->get("waits").value(), number);
    bool kept = store->get("under way").value() == number;
    outcomes.insert(fmt::format("{}, {}", dead ? "cut off" : "not cut off", kept ? "kept" : "lost"));
    store.reset();
    disk.crash(DiskCrash::process_kill);
    host = std::make_unique<Host>(events, Random(2), "host");
    lane = std::make_unique<DiskLane>(host->executor(), disk, DiskWork::sync);
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"cut off, kept", "cut off, lost", "not cut off, kept",
                                             "not cut off, lost"}));
}

}  // namespace
}  // namespace aspen::lab
