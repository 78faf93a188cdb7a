#include "core/lab/fault_injector.h"

#include <gtest/gtest.h>

#include "core/lab/scenario.h"

namespace aspen::lab {
namespace {

FaultSet chosen(uint64_t seed, FaultSet allowed) {
  World world({.seed = seed});
  Cluster cluster(world, {});
  return FaultInjector(world, cluster, allowed).chosen();
}

// When a fault of this kind happened, in a world with faults of these kinds.
std::vector<TimeNs> times_of(uint64_t seed, Fault fault, FaultSet allowed) {
  World world({.seed = seed, .recording = Trace::Recording::on});
  Cluster cluster(world, {});
  EXPECT_TRUE(cluster.form());
  FaultInjector injector(world, cluster, allowed);
  injector.start();
  world.run_for(60 * kSecond);
  injector.stop();
  std::vector<TimeNs> times;
  for (const std::string& line : world.trace().lines()) {
    TraceEvent event = *parse_trace_event(line);
    if (event.kind == "fault" && event.detail == name(fault)) times.push_back(event.time);
  }
  return times;
}

TEST(FaultInjector, ARunWithoutTheKindsThatItLeavesOutIsTheSame) {
  for (uint64_t seed : {1, 2}) {
    FaultSet some = chosen(seed, FaultSet::all());
    ASSERT_LT(some.list().size(), kFaultCount);
    RunOptions options{.scenario = "kv-mixed", .seed = seed, .duration = 5 * kSecond};
    Result<RunReport> all = run_scenario(options);
    options.faults = some;
    Result<RunReport> fewer = run_scenario(options);
    ASSERT_TRUE(all && fewer);
    EXPECT_GT(all->faults, 0u);
    EXPECT_EQ(all->trace_hash, fewer->trace_hash) << "seed " << seed;
  }
}

TEST(FaultInjector, WhatIsPlannedOfAKindIsTheSameWithoutAnother) {
  FaultSet one = *parse_faults("partition");
  FaultSet two = *parse_faults("partition,latency");
  uint64_t seed = 1;
  while (chosen(seed, two).list().size() < 2) ++seed;
  std::vector<TimeNs> times = times_of(seed, Fault::partition, two);
  EXPECT_FALSE(times.empty());
  EXPECT_FALSE(times_of(seed, Fault::latency, two).empty());
  EXPECT_EQ(times, times_of(seed, Fault::partition, one));
}

TEST(FaultInjector, NothingHappensOnceTheClusterHasSettled) {
  uint64_t faults = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World world({.seed = seed});
    Cluster cluster(world, {});
    ASSERT_TRUE(cluster.form());
    FaultInjector injector(world, cluster, *parse_faults("bit-flip,torn-write,power-cut"));
    injector.start();
    world.run_for(20 * kSecond);
    injector.stop();
    faults += injector.count();
    ASSERT_TRUE(cluster.settle());
    std::vector<uint64_t> settled;
    for (size_t i = 0; i < cluster.size(); ++i) settled.push_back(cluster.member(i).incarnation());
    world.run_for(60 * kSecond);
    for (size_t i = 0; i < cluster.size(); ++i) {
      EXPECT_EQ(cluster.member(i).incarnation(), settled[i]) << "seed " << seed << ", member " << i;
    }
  }
  EXPECT_GT(faults, 100u);
}

TEST(FaultInjector, SomethingIsLeftOfWhatIsAllowed) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_FALSE(chosen(seed, *parse_faults("pause")).empty());
    EXPECT_TRUE(chosen(seed, FaultSet::none()).empty());
  }
}

}  // namespace
}  // namespace aspen::lab
