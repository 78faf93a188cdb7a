#include "core/lab/runner.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
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

std::string error_json(const Error& error) {
  return nlohmann::json{{"error", static_cast<int32_t>(error.code)}, {"message", error.message}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t written = ::write(fd, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

// The child's whole life. Nothing of the parent's (its buffers, its handlers) may run at its end.
[[noreturn]] void child_main(const RunOptions& options, pid_t parent, int fd) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // it ended before we asked to be told
  if (options.verbose) set_log_sink(print_line, nullptr, LogLevel::debug);
  Result<RunReport> report = run_scenario(options);
  write_all(fd, report ? full_json(*report) : error_json(report.error()));
  ::_exit(0);
}

// `what` could not be had; the limit on these is `resource`, which the shell's ulimit knows by `flag`.
std::unexpected<Error> no_room(const char* what, __rlimit_resource resource, const char* flag, size_t runs) {
  std::string why = std::strerror(errno);
  rlimit limit = {};
  ::getrlimit(resource, &limit);
  return fail(Code::LIMIT_EXCEEDED,
              "no {} for one more run beside {}: {}; ask for fewer at a time (--jobs), or raise `ulimit {}`, "
              "which is {}",
              what, runs, why, flag, limit.rlim_cur);
}

// Beside `runs` others.
Result<Child> start(const RunOptions& options, size_t number, size_t runs) {
  int fds[2];
  if (::pipe(fds) != 0) return no_room("pipe", RLIMIT_NOFILE, "-n", runs);
  Child child{.options = options, .number = number, .fd = fds[0], .started = Clock::now()};
  pid_t parent = ::getpid();
  child.pid = ::fork();
  if (child.pid == 0) {
    ::close(fds[0]);
    child_main(options, parent, fds[1]);
  }
  ::close(fds[1]);
  if (child.pid > 0) return child;
  ::close(fds[0]);
  return no_room("process", RLIMIT_NPROC, "-u", runs);
}

// How it ended. It must have, or be about to.
int reap(const Child& child) {
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  ::close(child.fd);
  return status;
}

void end_all(std::deque<Child>& children) {
  for (Child& child : children) ::kill(child.pid, SIGKILL);
  for (Child& child : children) (void)reap(child);
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

// Errors: the run's, which could not be done.
Result<RunReport> finish(const Child& child, int status) {
  nlohmann::json json = nlohmann::json::parse(child.output, nullptr, false);
  if (WIFSIGNALED(status)) {
    return broken(child, child.stuck ? "stuck" : "crash",
                  child.stuck ? fmt::format("the run did not end within {} s of wall time",
                                            run_wall_max(child.options) / kSecond)
                              : fmt::format("the process ended by signal {} ({})", WTERMSIG(status),
                                            strsignal(WTERMSIG(status))));
  }
  if (!json.is_object()) {
    return broken(child, "crash", fmt::format("the process ended with status {}", WEXITSTATUS(status)));
  }
  if (json.contains("error")) {
    return fail(static_cast<Code>(json["error"].get<int32_t>()), "{}", json["message"].get<std::string>());
  }
  RunReport report{.scenario = json["scenario"], .seed = json["seed"], .ok = json["ok"]};
  report.virtual_time = json["virtual_ns"];
  report.wall_time = json["wall_ns"];
  report.events = json["events"];
  report.faults = json["faults"];
  report.operations = json["ops"];
  report.trace_hash = json["trace_hash"];
  report.note = json.value("note", "");
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

Result<> run_all(size_t jobs, const std::function<std::optional<RunOptions>()>& next,
                 const std::function<void(const RunReport&)>& done) {
  std::deque<Child> children;
  std::map<size_t, RunReport> ready;
  size_t started = 0;
  size_t reported = 0;
  Result<> result;
  for (bool more = true; result;) {
    while (more && result && children.size() < std::max<size_t>(jobs, 1)) {
      std::optional<RunOptions> options = next();
      more = options.has_value();
      if (!more) break;
      Result<Child> child = start(*options, started++, children.size());
      if (child)
        children.push_back(*std::move(child));
      else
        result = std::unexpected(child.error());
    }
    if (children.empty()) break;
    std::vector<pollfd> fds;
    for (Child& child : children) fds.push_back({child.fd, POLLIN, 0});
    ::poll(fds.data(), fds.size(), 1000);
    for (size_t i = children.size(); i-- > 0;) {
      Child& child = children[i];
      if (std::chrono::nanoseconds(Clock::now() - child.started).count() > run_wall_max(child.options)) {
        child.stuck = true;
        ::kill(child.pid, SIGKILL);
      }
      if (fds[i].revents == 0 || !read_some(child)) continue;
      Result<RunReport> report = finish(child, reap(child));
      if (report)
        ready.emplace(child.number, *std::move(report));
      else
        result = std::unexpected(report.error());
      children.erase(children.begin() + static_cast<ptrdiff_t>(i));
    }
    for (auto it = ready.find(reported); it != ready.end(); it = ready.find(reported)) {
      done(it->second);
      ready.erase(it);
      ++reported;
    }
  }
  end_all(children);
  return result;
}

Result<RunReport> run_one(const RunOptions& options) {
  RunReport report;
  bool given = false;
  ASPEN_CHECK(run_all(
      1,
      [&]() -> std::optional<RunOptions> {
        if (std::exchange(given, true)) return std::nullopt;
        return options;
      },
      [&](const RunReport& result) { report = result; }));
  return report;
}

Result<RunReport> shrink(const RunOptions& options, const RunReport& report, size_t attempts,
                         const std::function<void(const RunReport&)>& progress, const Run& run) {
  RunOptions best = options;
  RunReport smallest = report;
  auto smaller = [&](const RunOptions& candidate) -> Result<bool> {
    if (attempts == 0) return false;
    --attempts;
    ASPEN_TRY(RunReport result, run(candidate));
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
      ASPEN_TRY(bool fails, smaller(candidate));
      again |= fails;
    }
    RunOptions shorter = best;
    shorter.duration = best.duration / 2;
    if (shorter.duration > 10 * kMillisecond) {
      ASPEN_TRY(bool fails, smaller(shorter));
      again |= fails;
    }
    RunOptions fewer = best;
    fewer.operations_max = (best.operations_max > 0 ? best.operations_max : smallest.operations) / 2;
    if (fewer.operations_max > 0) {
      ASPEN_TRY(bool fails, smaller(fewer));
      again |= fails;
    }
  }
  return smallest;
}

}  // namespace aspen::lab
