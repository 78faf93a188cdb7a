#include "core/lab/scenario.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/lab/runner.h"

namespace aspen::lab {
namespace {

// Enough of each scenario for the sanitizers to see it; the test `sim` runs thousands of seeds.
constexpr uint64_t kSeeds = 3;

std::string scenario_name(const testing::TestParamInfo<ScenarioInfo>& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class ScenarioTest : public testing::TestWithParam<ScenarioInfo> {
 protected:
  static RunReport run(RunOptions options) {
    options.scenario = GetParam().name;
    Result<RunReport> report = run_scenario(options);
    EXPECT_TRUE(report) << report.error().to_string();
    return report ? *report : RunReport{};
  }
};

INSTANTIATE_TEST_SUITE_P(All, ScenarioTest, testing::ValuesIn(scenarios()), scenario_name);

TEST_P(ScenarioTest, HoldsUnderAllFaults) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    RunReport report = run({.seed = seed});
    EXPECT_TRUE(report.ok) << report.oracle << ": " << report.detail << "\n" << report.replay;
    EXPECT_GT(report.operations, 0u);
  }
}

TEST_P(ScenarioTest, DoesTheSameAgain) {
  RunReport first = run({.seed = 11});
  RunReport again = run({.seed = 11});
  RunReport other = run({.seed = 12});
  EXPECT_EQ(first.trace_hash, again.trace_hash);
  EXPECT_EQ(first.events, again.events);
  EXPECT_EQ(first.virtual_time, again.virtual_time);
  EXPECT_NE(first.trace_hash, other.trace_hash);
}

TEST(Scenario, AReportIsALineOfJson) {
  Result<RunReport> report = run_scenario({.scenario = "kv-mixed", .faults = FaultSet::none()});
  ASSERT_TRUE(report);
  auto json = nlohmann::json::parse(to_json(*report));
  for (const char* name :
       {"scenario", "seed", "ok", "virtual_s", "wall_s", "events", "faults", "ops", "trace_hash"}) {
    EXPECT_TRUE(json.contains(name)) << name;
  }
  EXPECT_FALSE(json.contains("oracle"));
  EXPECT_EQ(json["faults"], 0);
}

TEST(Scenario, AFailureSaysHowToSeeItAgain) {
  RunReport report{.scenario = "kv-mixed", .seed = 4, .oracle = "one", .detail = "\xff two"};
  report.replay = replay_command(
      {.scenario = "kv-mixed", .seed = 4, .duration = kSecond, .faults = *parse_faults("pause,crash")});
  auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json["oracle"], "one");
  EXPECT_EQ(json["replay"],
            "aspen sim --scenario kv-mixed --seeds 4..4 --faults pause,crash --minutes-virtual "
            "0.016666666666666666");
}

TEST(Scenario, RefusesWhatItDoesNotKnow) {
  auto unknown = run_scenario({.scenario = "kv-mixt"});
  ASSERT_FALSE(unknown);
  EXPECT_TRUE(unknown.error().message.contains("kv-mixed")) << unknown.error().message;
  EXPECT_FALSE(run_scenario({.scenario = "kv-mixed", .nodes = 1000}));
  EXPECT_FALSE(run_scenario({.scenario = "kv-mixed", .duration = -1}));
  EXPECT_FALSE(parse_faults("partition,gremlins"));
  EXPECT_EQ(parse_faults("partition,crash")->to_string(), "partition,crash");
  EXPECT_EQ(parse_faults("all")->to_string(), "all");
  EXPECT_EQ(parse_faults("none")->to_string(), "none");
}

TEST(Scenario, ALimitThatCutsARunShortIsNoted) {
  std::string file = testing::TempDir() + "scenario_test_trace";
  RunOptions options{.scenario = "kv-mixed", .duration = kSecond, .trace_file = file};
  Result<RunReport> whole = run_one(options);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->note, "");
  options.history_max = 20;
  options.trace_lines_max = 10;
  Result<RunReport> cut = run_one(options);
  ASSERT_TRUE(cut);
  EXPECT_TRUE(cut->ok) << cut->detail;
  EXPECT_TRUE(
      cut->note.starts_with("clients stopped, and nothing was read at the end: at most 20 operations are "
                            "recorded; the trace has the first 10 of "))
      << cut->note;
  EXPECT_EQ(nlohmann::json::parse(to_json(*cut))["note"], cut->note);
  std::remove(file.c_str());
}

TEST(Runner, ReportsInOrder) {
  uint64_t next = 1;
  std::vector<uint64_t> seeds;
  Result<> all = run_all(
      4,
      [&]() -> std::optional<RunOptions> {
        if (next > 8) return std::nullopt;
        // The first take longest.
        DurationNs duration = static_cast<DurationNs>(9 - next) * 200 * kMillisecond;
        return RunOptions{.scenario = "kv-mixed", .seed = next++, .duration = duration};
      },
      [&](const RunReport& report) {
        EXPECT_TRUE(report.ok) << report.detail;
        seeds.push_back(report.seed);
      });
  EXPECT_TRUE(all);
  EXPECT_EQ(seeds, (std::vector<uint64_t>{1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(Runner, ARunInAProcessOfItsOwnIsTheSame) {
  RunOptions options{.scenario = "bank-transfer", .seed = 5};
  Result<RunReport> here = run_scenario(options);
  ASSERT_TRUE(here);
  Result<RunReport> there = run_one(options);
  ASSERT_TRUE(there);
  EXPECT_EQ(there->trace_hash, here->trace_hash);
}

TEST(Runner, ARunThatIsToLastMayTakeLong) {
  DurationNs day = 24 * 3600 * kSecond;
  ASSERT_TRUE(check_options({.scenario = "kv-mixed", .duration = day}));
  EXPECT_GE(run_wall_max({.duration = day}), day);
  EXPECT_EQ(run_wall_max({}), kRunWallMax);
}

TEST(Runner, ARunThatCannotBeDoneIsAnError) {
  RunOptions options{.scenario = "kv-mixed", .operations_max = 5, .trace_file = "/dev/full"};
  auto full = run_one(options);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Code::IO);
  EXPECT_TRUE(full.error().message.contains("/dev/full")) << full.error().message;
}

// What a command of replay_command() asks for.
RunOptions options_of(const std::string& command) {
  std::istringstream words(command);
  std::string word;
  std::string value;
  RunOptions options;
  words >> word >> word;  // aspen sim
  while (words >> word >> value) {
    if (word == "--scenario") options.scenario = value;
    if (word == "--seeds") options.seed = std::stoull(value);
    if (word == "--faults") options.faults = *parse_faults(value);
    if (word == "--nodes") options.nodes = std::stoull(value);
    if (word == "--minutes-virtual") options.duration = std::llround(std::stod(value) * 60e9);
    if (word == "--ops") options.operations_max = std::stoull(value);
  }
  return options;
}

TEST(Runner, AReplayIsTheSameRun) {
  RunOptions options{.scenario = "kv-mixed", .seed = 9, .nodes = 5, .duration = 1'234'567'891};
  options.faults = *parse_faults("partition,crash,latency");
  options.operations_max = 60;
  options.oracle = [](World& world, Cluster& cluster) {
    world.violate("planted", fmt::format("after {} operations", cluster.operations()));
  };
  Result<RunReport> failed = run_one(options);
  ASSERT_TRUE(failed);
  ASSERT_EQ(failed->oracle, "planted");
  RunOptions again = options_of(failed->replay);
  again.oracle = options.oracle;
  Result<RunReport> replayed = run_one(again);
  ASSERT_TRUE(replayed);
  EXPECT_EQ(replayed->trace_hash, failed->trace_hash);
  EXPECT_EQ(replayed->detail, failed->detail);
}

// A run that fails when there are partitions, for a second or more, and ten operations.
Result<RunReport> fragile(const RunOptions& options) {
  RunReport report{.scenario = options.scenario, .seed = options.seed, .virtual_time = options.duration};
  report.operations = options.operations_max > 0 ? options.operations_max : 1000;
  report.ok = !options.faults.has(Fault::partition) || options.duration < kSecond || report.operations < 10;
  report.oracle = report.ok ? "" : options.faults.has(Fault::crash) ? "fragile" : "another";
  report.replay = replay_command(options);
  return report;
}

TEST(Runner, ShrinksToWhatItTakes) {
  RunOptions options{.scenario = "kv-mixed", .seed = 3, .duration = 10 * kSecond};
  size_t steps = 0;
  auto progress = [&](const RunReport& step) {
    EXPECT_EQ(step.oracle, "fragile");
    ++steps;
  };
  auto smallest = shrink(options, *fragile(options), 100, progress, fragile);
  ASSERT_TRUE(smallest);
  EXPECT_EQ(smallest->replay,
            "aspen sim --scenario kv-mixed --seeds 3..3 --faults partition,crash "
            "--minutes-virtual 0.020833333333333332 --ops 15");
  EXPECT_GT(steps, kFaultCount - 2);

  size_t runs = 0;
  auto counted = [&](const RunOptions& tried) {
    ++runs;
    return fragile(tried);
  };
  ASSERT_TRUE(shrink(options, *fragile(options), 5, [](const RunReport&) {}, counted));
  EXPECT_EQ(runs, 5u);
}

}  // namespace
}  // namespace aspen::lab
