#include "core/rt/observer.h"

#include <map>
#include <set>

#include "core/rt/oneshot.h"
#include "core/rt/region.h"
#include "core/rt/test_world.h"

namespace aspen::rt {
namespace {

constexpr DurationNs kHour = 3600 * kSecond;

auto sleeps(DurationNs duration) {
  return [duration](Cx& cx) -> Task<Result<>> { co_return co_await cx.sleep(duration); };
}

// Small oracles over everything that is told, and the story as text.
class Watcher final : public Observer {
 public:
  std::vector<std::string> story;
  size_t live_tasks() const { return tasks_.size(); }
  size_t live_regions() const { return regions_.size(); }
  size_t open_obligations() const { return obligations_.size(); }

 private:
  void task_spawned(const TaskBase& task) override {
    story.push_back(fmt::format("{} spawned", task.describe()));
    EXPECT_TRUE(tasks_.emplace(task.id(), Protocol::running).second);
    EXPECT_LE(task.deadline(), task.region().deadline()) << "deadlines only shorten";
    EXPECT_TRUE(regions_.contains(task.region().id()));
  }
  void task_ended(const TaskBase& task) override {
    story.push_back(fmt::format("{} ended {}", task.describe(), static_cast<int>(task.severity())));
    EXPECT_EQ(tasks_.erase(task.id()), 1u);
  }
  void cancel_requested(const CancelNode& node, const CancelReason& reason) override {
    story.push_back(fmt::format("{} asked: {}{}", node.describe(), to_string(reason.root().kind),
                                node.forced() ? ", forced" : ""));
    auto task = tasks_.find(node.id());
    if (task != tasks_.end() && task->second == Protocol::running) task->second = Protocol::asked;
  }
  void cancel_delivered(const TaskBase& task) override {
    story.push_back(fmt::format("{} hears it", task.describe()));
    EXPECT_NE(tasks_.at(task.id()), Protocol::running) << "asked before";
    tasks_.at(task.id()) = Protocol::told;
  }
  void region_opened(const Region& region) override {
    story.push_back(fmt::format("{} opened", region.describe()));
    EXPECT_TRUE(regions_.insert(region.id()).second);
    if (region.parent() != nullptr) EXPECT_TRUE(regions_.contains(region.parent()->id()));
  }
  void region_changed(const Region& region, RegionState from) override {
    story.push_back(fmt::format("{} {}", region.describe(), to_string(region.state())));
    EXPECT_LT(from, region.state());
    if (region.state() == RegionState::closed) EXPECT_EQ(regions_.erase(region.id()), 1u);
  }
  void obligation_made(const Obligation& obligation) override {
    EXPECT_TRUE(obligations_.insert(obligation.id()).second);
  }
  void obligation_ended(const Obligation& obligation) override {
    story.push_back(fmt::format("{} ended", obligation.name()));
    EXPECT_EQ(obligations_.erase(obligation.id()), 1u);
  }
  void stuck(const std::string&) override { story.push_back("stuck"); }

  enum class Protocol : uint8_t { running, asked, told };
  std::map<uint64_t, Protocol> tasks_;
  std::set<uint64_t> regions_;
  std::set<uint64_t> obligations_;
};

struct ObserverTest : testing::Test {
  ObserverTest() { world.executor.observer = &watcher; }
  void expect_quiet() const {
    EXPECT_EQ(watcher.live_tasks(), 0u);
    EXPECT_EQ(watcher.live_regions(), 0u);
    EXPECT_EQ(watcher.open_obligations(), 0u);
  }
  using Story = std::vector<std::string>;
  Watcher watcher;
  TestWorld world;
};

TEST_F(ObserverTest, HearsTheLifeOfARegion) {
  {
    Region root(world.executor, {.name = "root"});
    auto join = root.spawn("task", [](Cx& cx) -> Task<Result<>> {
      Obligation ack(cx.region(), ObligationKind::ack, "ack");
      EXPECT_NE(ack.made_by(), 0u);
      Cx::Mask mask(cx);
      (void)co_await cx.sleep(kSecond);
      Obligation moved(std::move(ack));
      moved.commit();
      co_return cx.checkpoint();
    });
    world.turn_all();
    EXPECT_EQ(watcher.open_obligations(), 1u);
    root.cancel({CancelKind::user, "stop"});
    root.close([] {});
    world.run();
  }
  expect_quiet();
  EXPECT_EQ(watcher.story,
            (Story{"region root opened", "task task spawned", "region root asked: user",
                   "task task asked: user", "region root draining", "ack ended", "task task hears it",
                   "task task ended 0", "region root finalizing", "region root closed"}));
}

TEST_F(ObserverTest, HearsWhatIsForcedAndStuck) {
  Region other(world.executor, {.name = "other"});
  Oneshot<int> gate;
  other.spawn("holds", [&](Cx& cx) -> Task<Result<int>> { co_return co_await gate.recv(cx); });
  auto join = other.spawn("unrelated", sleeps(1));
  world.run();
  watcher.story.clear();
  Region root(world.executor, {.name = "root"});
  root.spawn("hangs", [&](Cx&) -> Task<Result<>> {
    co_await other.close();
    co_return Result<>();
  });
  world.turn_all();
  root.cancel({CancelKind::shutdown, "going down"});
  world.run_for(kHour);
  EXPECT_EQ(watcher.story, (Story{"region root opened", "task hangs spawned", "region other closing",
                                  "region root asked: shutdown", "task hangs asked: shutdown",
                                  "task hangs hears it", "region root asked: shutdown, forced",
                                  "task hangs asked: shutdown, forced", "task hangs hears it", "stuck"}));
  gate.set(1);
  root.close([] {});
  world.run();
  expect_quiet();
}

TEST_F(ObserverTest, HearsOfRefusedTasksAndUnusedRegions) {
  {
    Region root(world.executor, {.name = "root", .tasks_max = 0});
    root.spawn("refused", sleeps(1));
    world.run();
    Region unused(root, {.name = "unused"});
    unused.close([] {});
    root.close([] {});
    world.run();
  }
  expect_quiet();
}

// Two runs give everything the same ids.
TEST_F(ObserverTest, IdsDoNotDependOnAddresses) {
  auto ids = [] {
    TestWorld own;
    Region root(own.executor);
    Region child(root);
    auto first = root.spawn("first", sleeps(1));
    Obligation obligation(child, "ack");
    std::vector<uint64_t> seen{root.id(), child.id(), obligation.id()};
    obligation.resolve();
    child.close([] {});
    root.close([] {});
    own.run();
    return seen;
  };
  EXPECT_EQ(ids(), (std::vector<uint64_t>{1, 2, 4}));
  EXPECT_EQ(ids(), ids());
}

}  // namespace
}  // namespace aspen::rt
