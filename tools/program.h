// The command line: one CLI11 application, the options every command shares, and which command was chosen.
// Each command lives in its own file, which adds itself with one function (listed at the end).
//
// Thread safety: none; main's.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "tools/client.h"

namespace aspen::tools {

class Program {
 public:
  Program();
  // Parses, runs, prints a failure, and returns the exit code.
  int run(int argc, char** argv);

  CLI::App* root() { return &app_; }
  // A group of commands, such as `aspen kv`.
  CLI::App* group(const std::string& name, const std::string& description, const std::string& footer);
  // A command; `run` gives the exit code. `examples` stand below its options.
  CLI::App* command(CLI::App* parent, const std::string& name, const std::string& description,
                    const std::string& examples, std::function<Result<int>()> run);

  // The shared options. `common()` holds what they were set to when the command runs.
  void add_output(CLI::App* command);
  // --ticket, --timeout (which is for what `timeout` says), -o
  void add_network(CLI::App* command, const std::string& timeout = "for the whole command");
  void add_timeout(CLI::App* command, int64_t& timeout_ns, const std::string& description);
  // An option that is a time, such as 500ms.
  static void add_time(CLI::App* command, const std::string& name, int64_t& time_ns,
                       const std::string& description);
  void add_log(CLI::App* command);
  // A check for counts. CLI11 alone reads -1 as the largest number there is.
  static CLI::Validator whole_number();
  const Common& common() const { return common_; }

 private:
  // The command that was chosen, or the innermost group of it; the root when none was.
  const CLI::App* innermost() const;
  Result<int> usage_failure(const CLI::ParseError& error) const;
  std::string usage_hint() const;

  CLI::App app_;
  Common common_;
  std::function<Result<int>()> chosen_;
};

void add_up(Program& program);
void add_node(Program& program);
void add_status(Program& program);
void add_member(Program& program);
void add_ticket(Program& program);
void add_kv(Program& program);
void add_lease(Program& program);
void add_kv_range(Program& program, CLI::App* kv);
void add_kv_compact(Program& program, CLI::App* kv);
void add_index(Program& program);
void add_quota(Program& program);
void add_watch(Program& program);
void add_bench(Program& program);
void add_bench_watch(Program& program, CLI::App* bench);
void add_backup(Program& program);
void add_verify(Program& program);
void add_sim(Program& program);
void add_version(Program& program);

}  // namespace aspen::tools
