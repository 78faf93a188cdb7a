#include "core/lab/runner.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>

#include "core/base/assert.h"
#include "core/base/log.h"

namespace aspen::lab {
namespace {

using Clock = std::chrono::steady_clock;

struct Child {
  RunOptions options;
  size_t number = 0;
  pid_t pid = -1;
  int fd = -1;
  std::string output;
  Clock::time_point started;
  bool stuck = false;  // and was ended for it
};

void print_line(LogLevel, std::string_view line, void*) {
  fmt::print(stderr, "{}\n", line);
}

std::string full_json(const RunReport& report) {
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(to_json(report));
  json["buggified"] = report.buggified;
  json["virtual_ns"] = report.virtual_time;
  json["wall_ns"] = report.wall_time;
  return json.dump();
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t written = ::write(fd, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

// The child's whole life. Nothing of the parent's (its buffers, its handlers) may run at its end.
[[noreturn]] void child_main(const RunOptions& options, int fd) {
  if (options.verbose) set_log_sink(print_line, nullptr, LogLevel::debug);
  Result<RunReport> report = run_scenario(options);
  RunReport failed{.scenario = options.scenario, .seed = options.seed, .oracle = "options"};
  if (!report) failed.detail = report.error().message;
  write_all(fd, full_json(report ? *report : failed));
  ::_exit(0);
}

Child start(const RunOptions& options, size_t number) {
  int fds[2];
  ASPEN_ASSERT(::pipe(fds) == 0);
  Child child{.options = options, .number = number, .fd = fds[0], .started = Clock::now()};
  child.pid = ::fork();
  ASPEN_ASSERT(child.pid >= 0);
  if (child.pid == 0) {
    ::close(fds[0]);
    child_main(options, fds[1]);
  }
  ::close(fds[1]);
  return child;
}

RunReport broken(const Child& child, std::string oracle, std::string detail) {
  RunReport report{.scenario = child.options.scenario,
                   .seed = child.options.seed,
                   .wall_time = std::chrono::nanoseconds(Clock::now() - child.started).count(),
                   .oracle = std::move(oracle),
                   .detail = std::move(detail)};
  report.replay = replay_command(child.options);
  return report;
}

RunReport finish(const Child& child, int status) {
  nlohmann::json json = nlohmann::json::parse(child.output, nullptr, false);
  if (WIFSIGNALED(status)) {
    return broken(child, child.stuck ? "stuck" : "crash",
                  child.stuck
                      ? fmt::format("the run did not end within {} s of wall time", kRunWallMax / kSecond)
                      : fmt::format("the process ended by signal {} ({})", WTERMSIG(status),
                                    strsignal(WTERMSIG(status))));
  }
  if (!json.is_object()) {
    return broken(child, "crash", fmt::format("the process ended with status {}", WEXITSTATUS(status)));
  }
  RunReport report{.scenario = json["scenario"], .seed = json["seed"], .ok = json["ok"]};
  report.virtual_time = json["virtual_ns"];
  report.wall_time = json["wall_ns"];
  report.events = json["events"];
  report.faults = json["faults"];
  report.operations = json["ops"];
  report.trace_hash = json["trace_hash"];
  report.oracle = json.value("oracle", "");
  report.detail = json.value("detail", "");
  report.replay = json.value("replay", "");
  report.buggified = json["buggified"].get<std::map<std::string, uint64_t>>();
  return report;
}

// Reads what is there; true when the child has ended.
bool read_some(Child& child) {
  char buffer[1 << 16];
  ssize_t size = ::read(child.fd, buffer, sizeof buffer);
  if (size < 0) return false;
  child.output.append(buffer, static_cast<size_t>(size));
  return size == 0;
}

}  // namespace

void run_all(size_t jobs, const std::function<std::optional<RunOptions>()>& next,
             const std::function<void(const RunReport&)>& done) {
  std::deque<Child> children;
  std::map<size_t, RunReport> ready;
  size_t started = 0;
  size_t reported = 0;
  bool more = true;
  for (;;) {
    while (more && children.size() < std::max<size_t>(jobs, 1)) {
      std::optional<RunOptions> options = next();
      more = options.has_value();
      if (more) children.push_back(start(*options, started++));
    }
    if (children.empty()) return;
    std::vector<pollfd> fds;
    for (Child& child : children) fds.push_back({child.fd, POLLIN, 0});
    ::poll(fds.data(), fds.size(), 1000);
    for (size_t i = children.size(); i-- > 0;) {
      Child& child = children[i];
      if (std::chrono::nanoseconds(Clock::now() - child.started).count() > kRunWallMax) {
        child.stuck = true;
        ::kill(child.pid, SIGKILL);
      }
      if (fds[i].revents == 0 || !read_some(child)) continue;
      int status = 0;
      ::waitpid(child.pid, &status, 0);
      ::close(child.fd);
      ready.emplace(child.number, finish(child, status));
      children.erase(children.begin() + static_cast<ptrdiff_t>(i));
    }
    for (auto it = ready.find(reported); it != ready.end(); it = ready.find(reported)) {
      done(it->second);
      ready.erase(it);
      ++reported;
    }
  }
}

RunReport run_one(const RunOptions& options) {
  RunReport report;
  bool given = false;
  run_all(
      1,
      [&]() -> std::optional<RunOptions> {
        if (std::exchange(given, true)) return std::nullopt;
        return options;
      },
      [&](const RunReport& result) { report = result; });
  return report;
}

RunReport shrink(const RunOptions& options, const RunReport& report, size_t attempts,
                 const std::function<void(const RunReport&)>& progress) {
  RunOptions best = options;
  RunReport smallest = report;
  auto smaller = [&](const RunOptions& candidate) {
    if (attempts == 0) return false;
    --attempts;
    RunReport result = run_one(candidate);
    if (result.ok || result.oracle != report.oracle) return false;
    best = candidate;
    smallest = std::move(result);
    progress(smallest);
    return true;
  };
  if (best.duration == 0) best.duration = smallest.virtual_time;
  for (bool again = true; again && attempts > 0;) {
    again = false;
    for (Fault fault : best.faults.list()) {
      RunOptions candidate = best;
      candidate.faults.remove(fault);
      again |= smaller(candidate);
    }
    RunOptions shorter = best;
    shorter.duration = best.duration / 2;
    again |= shorter.duration > 10 * kMillisecond && smaller(shorter);
    RunOptions fewer = best;
    fewer.operations_max = (best.operations_max > 0 ? best.operations_max : smallest.operations) / 2;
    again |= fewer.operations_max > 0 && smaller(fewer);
  }
  return smallest;
}

}  // namespace aspen::lab
