// aspen sim: whole clusters under faults, in a deterministic simulation.
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <thread>

#include "core/lab/explorations.h"
#include "core/lab/runner.h"
#include "core/lab/trace.h"
#include "tools/output.h"
#include "tools/program.h"

namespace aspen::tools {
namespace {

constexpr const char* kExamples =
    R"(One run is one seed: a cluster of real nodes in one process, over virtual time, with clients, faults and
oracles that watch it. The same seed does the same thing again. A run that fails prints the command that
replays it; with --shrink also a smaller one (with -o json on stderr). Exits 1 when any run failed.
A run has the faults of --faults that belong to its scenario; --list says which do. With `all`, scenarios that
have none of them run without faults.

Examples:
  aspen sim --list                                           scenarios and faults
  aspen sim --scenario kv-mixed --seeds 1..100               100 runs
  aspen sim --scenario all --seeds 1..2000 --faults all      the seeds dealt over the scenarios in turn
  aspen sim --explore                                        every order of small configurations
  aspen sim --scenario kv-mixed --seeds 7..7 --faults partition,power-cut --trace t.txt --log)";

constexpr size_t kShrinkAttempts = 60;
constexpr size_t kJobsMax = 256;  // processes

struct SimArguments {
  std::string scenario = "all";
  std::string seeds = "1..10";
  uint64_t nodes = 0;
  double minutes_virtual = 0;
  std::string faults = "all";
  uint64_t ops = 0;
  uint64_t jobs = 0;
  std::string trace;
  std::string against;
  bool list = false;
  bool explore = false;
  bool large = false;
  bool shrink = false;
  bool stop = false;
  bool sites = false;
  bool log = false;
};

struct Seeds {
  uint64_t first = 0;
  uint64_t last = 0;
};

Result<Seeds> parse_seeds(const std::string& text) {
  Seeds seeds;
  const char* end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, seeds.first);
  seeds.last = seeds.first;
  if (read.ec == std::errc() && std::string_view(read.ptr, end).starts_with("..")) {
    read = std::from_chars(read.ptr + 2, end, seeds.last);
  }
  if (read.ec == std::errc::result_out_of_range) {
    return fail(ASPEN_INVALID_ARGUMENT, "--seeds are numbers up to {}, not '{}'", UINT64_MAX, text);
  }
  if (read.ec != std::errc() || read.ptr != end || seeds.first > seeds.last) {
    return fail(ASPEN_INVALID_ARGUMENT, "--seeds is A..B with A <= B, or one seed, not '{}'", text);
  }
  return seeds;
}

int list(Format format) {
  std::vector<std::string> faults;
  for (lab::Fault fault : lab::FaultSet::all().list()) faults.emplace_back(lab::name(fault));
  if (format == Format::JSON) {
    Json scenarios = Json::array();
    for (const lab::ScenarioInfo& info : lab::scenarios()) {
      scenarios.push_back({{"name", info.name}, {"what", info.what}, {"faults", info.faults.to_string()}});
    }
    print_json({{"scenarios", scenarios}, {"faults", faults}});
    return kExitOk;
  }
  Table table({"SCENARIO", "WHAT", "FAULTS"});
  for (const lab::ScenarioInfo& info : lab::scenarios()) {
    table.add({info.name, info.what, info.faults.to_string()});
  }
  table.print(stdout);
  fmt::print("\nfaults: {}\n", fmt::join(faults, ", "));
  return kExitOk;
}

Json to_json(const lab::ExploreReport& report) {
  Json json = {{"exploration", report.name},
               {"ok", report.ok()},
               {"complete", report.complete},
               {"states", report.states},
               {"transitions", report.transitions},
               {"runs", report.runs},
               {"depth", report.depth},
               {"wall_s", static_cast<double>(report.elapsed_ns) / 1e9}};
  if (!report.violation.empty()) {
    json["violation"] = report.violation;
    json["steps"] = report.steps;
    json["choices"] = report.choices;
  }
  return json;
}

int explore(Format format, bool large) {
  bool ok = lab::run_explorations(large, [format](const lab::ExploreReport& report) {
    if (format == Format::JSON) return print_json(to_json(report));
    fmt::print("{}\n", report.text());
    std::fflush(stdout);
  });
  return ok ? kExitOk : kExitFailed;
}

void print_run(FILE* file, Format format, const lab::RunReport& report) {
  if (format == Format::JSON) {
    fmt::print(file, "{}\n", lab::to_json(report));
  } else {
    fmt::print(file, "{:<18}{:>8}  {:<5}{:>8.1f} s virtual{:>8.2f} s{:>9} events{:>6} faults{:>7} ops  {}\n",
               report.scenario, report.seed, report.ok ? "ok" : "FAIL",
               static_cast<double>(report.virtual_time) / 1e9, static_cast<double>(report.wall_time) / 1e9,
               report.events, report.faults, report.operations, report.trace_hash);
    if (!report.ok) {
      fmt::print(file, "  {}: {}\n  replay: {}\n", report.oracle, report.detail, report.replay);
    }
  }
  std::fflush(file);
}

// How often each rare path of the engine was taken, in all runs.
class Sites {
 public:
  void add(const lab::RunReport& report) {
    for (const auto& [site, hits] : report.buggified) {
      Site& sum = sites_[site];
      ++sum.reached;
      sum.fired += hits > 0;
      sum.hits += hits;
    }
  }
  void print(std::FILE* file) const {
    Table table({"SITE", "RUNS REACHED", "RUNS FIRED", "HITS"});
    size_t fired = 0;
    for (const auto& [name, site] : sites_) {
      fired += site.hits > 0;
      table.add({name, std::to_string(site.reached), std::to_string(site.fired), std::to_string(site.hits)});
    }
    table.print(file);
    fmt::print(file, "sites: {} reached, {} fired\n", sites_.size(), fired);
  }

 private:
  struct Site {
    uint64_t reached = 0;  // runs
    uint64_t fired = 0;    // runs
    uint64_t hits = 0;
  };
  std::map<std::string, Site> sites_;
};

Result<lab::RunOptions> first_options(const SimArguments& arguments) {
  constexpr double kMinutesMax = 24 * 60;
  if (!(arguments.minutes_virtual >= 0 && arguments.minutes_virtual <= kMinutesMax)) {
    return fail(ASPEN_INVALID_ARGUMENT, "--minutes-virtual is 0 to {}, not {}", kMinutesMax,
                arguments.minutes_virtual);
  }
  if (arguments.faults.empty()) {
    return fail(ASPEN_INVALID_ARGUMENT, "--faults names no fault; say none, all, or names of --list");
  }
  lab::RunOptions options{.nodes = arguments.nodes, .operations_max = arguments.ops};
  options.trace_file = arguments.trace;
  options.verbose = arguments.log;
  // Rounded, so that the replay command's decimal gives the same number again.
  options.duration = std::llround(arguments.minutes_virtual * 60e9);
  if (options.duration == 0 && arguments.minutes_virtual > 0) {
    return fail(ASPEN_INVALID_ARGUMENT,
                "--minutes-virtual {} is less than a nanosecond; 0 is the scenario's choice",
                arguments.minutes_virtual);
  }
  if (arguments.jobs > kJobsMax) {
    return fail(ASPEN_INVALID_ARGUMENT, "--jobs {} is over kJobsMax: at most {} runs at a time",
                arguments.jobs, kJobsMax);
  }
  auto faults = lab::parse_faults(arguments.faults);
  if (!faults) return fail(ASPEN_INVALID_ARGUMENT, "{}", faults.error().message);
  options.faults = *faults;
  return options;
}

Result<std::vector<std::string>> chosen_scenarios(const std::string& name) {
  std::vector<std::string> names;
  for (const lab::ScenarioInfo& info : lab::scenarios()) {
    if (name == "all" || name == info.name) names.push_back(info.name);
  }
  if (!names.empty()) return names;
  for (const lab::ScenarioInfo& info : lab::scenarios()) names.push_back(info.name);
  return fail(ASPEN_INVALID_ARGUMENT, "there is no scenario '{}'; there are: all, {}", name,
              fmt::join(names, ", "));
}

Result<std::vector<std::string>> read_trace(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ASPEN_IO, "cannot open {}: {}", path, std::strerror(errno));
  auto lines = lab::parse_trace(std::string(std::istreambuf_iterator(file), {}));
  if (!lines) return fail(ASPEN_INVALID_ARGUMENT, "{}: {}", path, lines.error().message);
  return *std::move(lines);
}

// Says where a run just traced and an earlier one part; true when they do not.
Result<bool> same_trace(const SimArguments& arguments, const std::vector<std::string>& before, FILE* file) {
  TOOLS_TRY(std::vector<std::string> now, read_trace(arguments.trace));
  auto parted = lab::first_divergence(before, now);
  if (parted) {
    fmt::print(file, "a is {}, b is {}: {}\n", arguments.against, arguments.trace, parted->text);
  } else {
    fmt::print(file, "{} and {} are the same: {} events\n", arguments.against, arguments.trace, now.size());
  }
  return !parted;
}

// With all scenarios a fault may be of some of them only; each has those that it knows.
lab::FaultSet faults_of(const std::string& name, lab::FaultSet asked) {
  if (asked.to_string() == "all") return asked;
  auto info = std::ranges::find(lab::scenarios(), name, &lab::ScenarioInfo::name);
  return info->faults & asked;
}

// What is wrong with them together.
Result<> check(const SimArguments& arguments, Seeds seeds, lab::RunOptions options,
               const std::vector<std::string>& names) {
  if (names.size() > 1) options.faults = lab::FaultSet::all();
  options.scenario = names.front();
  if (auto checked = lab::check_options(options); !checked) {
    return fail(ASPEN_INVALID_ARGUMENT, "{}", checked.error().message);
  }
  if (!arguments.against.empty() && arguments.trace.empty()) {
    return fail(ASPEN_INVALID_ARGUMENT, "--against needs --trace: where to write this run's events");
  }
  if (arguments.trace.empty()) return {};
  if (seeds.first != seeds.last) {
    return fail(ASPEN_INVALID_ARGUMENT, "--trace takes one seed, not {}", arguments.seeds);
  }
  if (!std::ofstream(arguments.trace, std::ios::app)) {
    return fail(ASPEN_IO, "cannot write to {}: {}", arguments.trace, std::strerror(errno));
  }
  return {};
}

// The runs of one command, and what they came to.
class Runs {
 public:
  Runs(Format format, const SimArguments& arguments, std::vector<std::string> names, lab::RunOptions options)
      : format_(format), arguments_(arguments), names_(std::move(names)), options_(std::move(options)) {}

  // Errors: of the first run that could not be done.
  Result<> run(Seeds seeds) {
    size_t cores = std::max(1u, std::thread::hardware_concurrency());
    uint64_t seed = seeds.first;
    auto next = [&]() -> std::optional<lab::RunOptions> {
      if (seed > seeds.last || seed < seeds.first || (arguments_.stop && failed_ > 0)) return std::nullopt;
      const std::string& scenario = names_[(seed - 1) % names_.size()];
      return run_of(scenario, seed++);
    };
    auto all = lab::run_all(arguments_.jobs > 0 ? arguments_.jobs : std::min<size_t>(cores, kJobsMax), next,
                            [this](const lab::RunReport& report) { done(report); });
    if (!all) return failure_of(all.error());
    return {};
  }
  bool ok() const { return failed_ == 0; }
  void print() const {
    if (format_ == Format::TABLE) {
      fmt::print("sim: {} runs, {} failed, {:.0f} virtual s, {:.1f} virtual s per second of a core\n", runs_,
                 failed_, virtual_s_, virtual_s_ / std::max(wall_s_, 1e-9));
    }
    if (arguments_.sites) sites_.print(aside());
  }
  // What is not a run.
  FILE* aside() const { return format_ == Format::TABLE ? stdout : stderr; }

 private:
  static std::unexpected<Failure> failure_of(const Error& error) {
    return fail(static_cast<int32_t>(error.code), "{}", error.message);
  }
  lab::RunOptions run_of(const std::string& scenario, uint64_t seed) const {
    lab::RunOptions run = options_;
    run.scenario = scenario;
    run.seed = seed;
    if (names_.size() > 1) run.faults = faults_of(scenario, options_.faults);
    return run;
  }
  void done(const lab::RunReport& report) {
    ++runs_;
    virtual_s_ += static_cast<double>(report.virtual_time) / 1e9;
    wall_s_ += static_cast<double>(report.wall_time) / 1e9;
    if (!report.ok) ++failed_;
    print_run(stdout, format_, report);
    if (!report.note.empty()) fmt::print(stderr, "{} {}: {}\n", report.scenario, report.seed, report.note);
    sites_.add(report);
    if (!report.ok && arguments_.shrink) shrink(report);
  }
  void shrink(const lab::RunReport& report) const {
    fmt::print(stderr, "shrinking, at most {} runs\n", kShrinkAttempts);
    auto progress = [](const lab::RunReport& step) { fmt::print(stderr, "still fails: {}\n", step.replay); };
    auto smallest = lab::shrink(run_of(report.scenario, report.seed), report, kShrinkAttempts, progress);
    if (smallest) return print_run(aside(), format_, *smallest);
    fmt::print(stderr, "not shrunk: {}\n", smallest.error().to_string());
  }

  Format format_;
  const SimArguments& arguments_;
  std::vector<std::string> names_;
  lab::RunOptions options_;
  uint64_t runs_ = 0;
  uint64_t failed_ = 0;
  double virtual_s_ = 0;
  double wall_s_ = 0;
  Sites sites_;
};

Result<int> sim(const Common& common, const SimArguments& arguments) {
  if (arguments.list) return list(common.format);
  if (arguments.explore) return explore(common.format, arguments.large);
  if (arguments.large) return fail(ASPEN_INVALID_ARGUMENT, "--large is of --explore: give both, or none");
  TOOLS_TRY(Seeds seeds, parse_seeds(arguments.seeds));
  TOOLS_TRY(lab::RunOptions options, first_options(arguments));
  TOOLS_TRY(std::vector<std::string> names, chosen_scenarios(arguments.scenario));
  TOOLS_CHECK(check(arguments, seeds, options, names));
  std::vector<std::string> before;
  if (!arguments.against.empty()) {
    TOOLS_TRY(before, read_trace(arguments.against));
  }
  Runs runs(common.format, arguments, std::move(names), std::move(options));
  TOOLS_CHECK(runs.run(seeds));
  runs.print();
  if (!arguments.against.empty()) {
    TOOLS_TRY(bool same, same_trace(arguments, before, runs.aside()));
    if (!same) return kExitFailed;
  }
  return runs.ok() ? kExitOk : kExitFailed;
}

}  // namespace

void add_sim(Program& program) {
  auto arguments = std::make_shared<SimArguments>();
  CLI::App* command =
      program.command(program.root(), "sim", "run clusters under faults in a deterministic simulation",
                      kExamples, [&program, arguments] { return sim(program.common(), *arguments); });
  command->add_option("--scenario", arguments->scenario, "a name of --list, or all")->capture_default_str();
  command->add_option("--seeds", arguments->seeds, "A..B, or one: a run for each")->capture_default_str();
  command->add_option("--nodes", arguments->nodes, "members; 0: the scenario's choice")
      ->check(Program::whole_number());
  command->add_option("--minutes-virtual", arguments->minutes_virtual,
                      "time with faults; 0: the scenario's choice");
  command->add_option("--faults", arguments->faults, "all, none, or names of --list with commas between")
      ->capture_default_str();
  command->add_option("--ops", arguments->ops, "clients stop after this many operations; 0: at the end")
      ->check(Program::whole_number());
  command->add_option("--jobs", arguments->jobs, "runs at a time; 0: one for each core")
      ->check(Program::whole_number());
  command->add_option("--trace", arguments->trace, "write the run's events to this file, one a line");
  command->add_option("--against", arguments->against,
                      "with --trace: compare with this earlier trace, and fail where they part");
  command->add_flag("--shrink", arguments->shrink, "look for a smaller run that fails alike");
  command->add_flag("--stop", arguments->stop, "begin no further run once one has failed");
  command->add_flag("--sites", arguments->sites,
                    "at the end, how often each rare path was taken (with -o json on stderr)");
  command->add_flag("--log", arguments->log, "the nodes' logs go to stderr");
  command->add_flag("--explore", arguments->explore,
                    "instead of sampling, visit every state of small configurations and count them");
  command->add_flag("--large", arguments->large, "with --explore: larger ones, minutes and gigabytes");
  command->add_flag("--list", arguments->list, "name the scenarios and faults");
  program.add_output(command);
}

}  // namespace aspen::tools
