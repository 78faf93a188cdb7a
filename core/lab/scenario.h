// Whole runs: a cluster, clients with something to do, faults, and the oracles' verdict.
//
//   RunReport report = run_scenario({.scenario = "kv-mixed", .seed = 7, .faults = FaultSet::all()});
//   if (!report.ok) print(report.oracle, report.detail, report.replay);
//
// A scenario decides what clients do, which faults belong to it and how the cluster is set up; seed, size,
// virtual time and allowed faults come from the caller. The same options give the same report, trace hash
// included, wall time aside.
//
// Thread safety: none; one run at a time in a process.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/lab/fault_injector.h"

namespace aspen::lab {

struct RunOptions {
  std::string scenario;
  uint64_t seed = 1;
  size_t nodes = 0;         // 0: the scenario's choice
  DurationNs duration = 0;  // of the time with faults, virtual; 0: the scenario's choice
  FaultSet faults = FaultSet::all();
  uint64_t operations_max = 0;  // clients stop after this many; 0: no limit
  std::string trace_file = {};  // where to write the trace; empty: nowhere
  bool verbose = false;         // the engine's log goes to stderr
  // Another oracle, asked at the end about a run that is fine so far.
  std::function<void(World&, Cluster&)> oracle = {};
  size_t history_max = kHistoryOperationsMax;  // operations; what meets these two is in RunReport::note
  size_t trace_lines_max = kTraceLinesMax;
};

struct RunReport {
  std::string scenario;
  uint64_t seed = 0;
  bool ok = false;
  DurationNs virtual_time = 0;
  DurationNs wall_time = 0;
  uint64_t events = 0;
  uint64_t faults = 0;
  uint64_t operations = 0;
  std::string trace_hash;
  std::string note;  // which limit cut it short, if any
  // When it failed.
  std::string oracle;
  std::string detail;
  std::string replay;                         // a command that does it again
  std::map<std::string, uint64_t> buggified;  // how often each rare path that was reached was taken
};

struct ScenarioInfo {
  std::string name;
  std::string what;      // one line
  FaultSet faults = {};  // those that belong to it
};
const std::vector<ScenarioInfo>& scenarios();

// Errors: INVALID_ARGUMENT naming the scenario and the known ones, the option and its limit, or faults of
// which none belongs to the scenario.
Result<> check_options(const RunOptions& options);
// Errors: those of check_options(), LIMIT_EXCEEDED, IO of the trace's file.
Result<RunReport> run_scenario(const RunOptions& options);

// The command that does a run again.
std::string replay_command(const RunOptions& options);

// One line of JSON: {"scenario","seed","ok","virtual_s","wall_s","events","faults","ops","trace_hash"} and,
// of a failure, "oracle","detail","replay"; and "note" when there is one.
std::string to_json(const RunReport& report);

}  // namespace aspen::lab
