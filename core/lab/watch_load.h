// Watches on all machines, fast and slow, and whether each was told everything, once, in order and whole.
//
// A watcher goes on where it stood when its task is cancelled or its machine crashes, each time as another
// watch from the revision after the last one it has; so do the watches themselves when members are lost. One
// that ends with COMPACTED goes on where that says. In the end all that was told is compared with what was
// committed (watch_check.h).
//
// Thread safety: none.
#pragma once

#include <memory>
#include <vector>

#include "core/lab/cluster.h"
#include "core/lab/load.h"
#include "core/lab/watch_check.h"

namespace aspen::lab {

class WatchLoad final : public Load {
 public:
  // Requires: the cluster is not formed. It outlives this.
  WatchLoad(World& world, Cluster& cluster);
  ~WatchLoad() override;

  void start() override;
  // Nobody is slow or given up any more: all must come to the end.
  void stop() override;
  // Waits for that, and checks.
  void finish() override;

 private:
  class Watcher;
  void look_after();

  World& world_;
  Cluster& cluster_;
  CommittedChanges committed_;
  std::vector<std::shared_ptr<Watcher>> watchers_;
  bool at_rest_ = false;
  std::shared_ptr<WatchLoad*> self_;  // null in events once this is gone
};

}  // namespace aspen::lab
