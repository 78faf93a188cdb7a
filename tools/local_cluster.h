// Real `aspen node` processes on loopback, for measurements: each with its own data directory under one
// temporary directory, founded and joined with a ticket as a person would, gone without a trace afterwards.
//
// They are processes and not threads because that is what users run: separate memory, separate disks syncs,
// the network between them. Should this process be killed, the kernel ends them too.
//
// Thread safety: none; the thread that starts it must live as long as it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tools/signals.h"
#include "tools/temp_dir.h"

namespace aspen::tools {

class LocalCluster {
 public:
  // Starts `count` nodes under `parent` (as TempDir::make takes it). A signal ends it: CANCELLED.
  static Result<LocalCluster> start(size_t count, const std::string& parent, Signals& signals);
  // Ends them in good order and waits; those that do not end in 10 s are killed.
  ~LocalCluster();
  LocalCluster(LocalCluster&&) = default;
  LocalCluster& operator=(LocalCluster&&) = delete;

  const std::string& ticket() const { return ticket_; }
  // False when the data directories are in memory, so that syncing them proves nothing.
  bool durable() const { return !dir_.in_memory(); }

 private:
  explicit LocalCluster(TempDir dir) : dir_(std::move(dir)) {}
  Result<> start_node(Signals& signals);

  TempDir dir_;
  std::vector<pid_t> processes_;
  std::string ticket_;
};

}  // namespace aspen::tools
